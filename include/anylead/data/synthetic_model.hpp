// Parts of the synthetic heart, shared by the files that build them. Not for users: @see synthetic.hpp
#pragma once

#include <array>
#include <span>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data::detail::synthetic {

/// A dipole, or a row of the lead field: left, foot, back (Frank's axes).
struct Vector {
  double x, y, z;

  friend Vector operator+(Vector a, Vector b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend Vector operator-(Vector a, Vector b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend Vector operator*(double s, Vector a) { return {s * a.x, s * a.y, s * a.z}; }
};

inline double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

/// One Gaussian wave: v exp(-(t - at)^2 / (2 s^2)), s = rise before its peak and fall after it; seconds.
struct Wave {
  double at, rise, fall;
  Vector v;
};

using Waves = std::vector<Wave>;

/// Projections onto I, II, V1 .. V6; the other limb leads follow from I and II.
using LeadField = std::array<Vector, 8>;

enum class Conduction { normal, lbbb, rbbb, irbbb, lafb, nsivcb };
enum class Axis { normal, left, right };
enum class TWave { normal, flat, inverted };
enum class Rhythm { sinus, bradycardia, tachycardia, arrhythmia, fibrillation, slow_fibrillation, flutter, paced };
enum class Ectopy { none, atrial, ventricular };

struct Conditions {
  Conduction conduction = Conduction::normal;
  Axis axis = Axis::normal;
  TWave t_wave = TWave::normal;
  Rhythm rhythm = Rhythm::sinus;
  Ectopy ectopy = Ectopy::none;
  bool permanent = true;  ///< the rhythm is there in every recording
  bool long_pr = false, long_qt = false, q_wave = false, poor_progression = false, low_voltage = false;
};

/// A ventricular beat without its T wave.
struct Complex {
  Waves qrs;
  double onset = 0, end = 0;  ///< of the QRS about its reference time, seconds
  Vector t = {};              ///< peak of the T wave
  Vector st = {};             ///< middle of the ST segment
};

/// What a patient keeps.
struct Patient {
  double age;
  bool female;
  Conditions conditions;
  LeadField field;
  Waves p, ectopic_p;
  Complex normal, premature, paced;
  double frontal_axis;  ///< of the conducted QRS, degrees
  double pr, qtc;       ///< seconds; QT at 60/min
  double rate;          ///< per minute, at rest in sinus rhythm
  double u;             ///< size of the U wave
  double respiration;   ///< Hz
  double atrial_rate;   ///< Hz: f waves, flutter waves
  double atrial_size;   ///< of f waves, flutter waves
};

enum class Event { p, ectopic_p, normal, premature, paced, spike };

/// Something that starts at a time. `rr` is the cycle that the QT interval follows.
struct Activation {
  Event event;
  double time, rr;
};

/// The course of one recording.
struct Course {
  std::vector<Activation> activations;
  Rhythm rhythm;
  bool ectopic_seen = false;  ///< an ectopic beat lies well inside the recording
  double mean_rate = 0;       ///< per minute, of the beats inside the recording
  double respiration = 0.25, respiration_phase = 0;
  double fibrillation = 0;  ///< size of the f waves
  double flutter_start = 0, flutter_hz = 0;
};

/// The patient of a stream; `code` as in SyntheticOptions.
ANYLEAD_INLINE Patient make_patient(RandomSequence& random, double diseased, std::string_view code);

/// Electrodes placed anew: every lead sees the heart from a slightly different place.
ANYLEAD_INLINE LeadField displaced(const LeadField& field, double spacings, RandomSequence& random);

/// Row of the derived lead 0 .. 11 in the standard order.
ANYLEAD_INLINE Vector lead_row(const LeadField& field, int lead);

/// P, QRS and T times of a recording from before its first to after its last sample.
ANYLEAD_INLINE Course make_course(const Patient& patient, double seconds, RandomSequence& random);

/// The dipole of a course, [3, T].
ANYLEAD_INLINE std::vector<double> dipole(const Patient& patient, const Course& course, Index samples, double rate_hz,
                                          RandomSequence& random);

/// Potentials that the electrodes RA, LA, LL, V1 .. V6 add, mV, [9, T].
ANYLEAD_INLINE std::vector<float> electrode_noise(const Course& course, Index samples, double rate_hz, double size,
                                                  RandomSequence& random, RandomStream white);

enum class Fault { none, flat, loose, saturated, exchanged };

/// Adds bursts of a loose electrode to the potentials, [9, T].
ANYLEAD_INLINE void loosen(std::span<float> electrode, double rate_hz, RandomSequence& random);

}  // namespace anylead::data::detail::synthetic
