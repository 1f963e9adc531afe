// An endless cohort of artificial twelve-lead ECGs, for demonstrations, tests and benchmarks where no recordings may travel.
//
// The heart is a dipole d(t) in the body, a sum of Gaussian waves per P, QRS, T, U (McSharry et al. 2003; in three dimensions
// Sameni et al. 2007); the leads are projections l_k . d(t) with the matrix of Dower 1968, perturbed per patient, plus noise of
// nine electrodes. Waves hang on the times of a rhythm model (heart-rate variability, fibrillation, flutter, ectopic beats,
// pacing). docs/synthetic.md gives equations, ranges and sources. It looks and measures like an ECG; it is no model of disease.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/record.hpp>

namespace anylead::data {

/// A diagnosis that the cohort shows.
struct SyntheticClass {
  std::string_view code;  ///< SNOMED CT
  std::string_view abbreviation, name;
};

/// The 26 scored classes of the PhysioNet/CinC Challenge 2021 in its order, one code for each merged pair.
inline constexpr std::array<SyntheticClass, 26> kSyntheticClasses = {{
    {"164889003", "AF", "atrial fibrillation"},
    {"164890007", "AFL", "atrial flutter"},
    {"6374002", "BBB", "bundle branch block"},
    {"426627000", "Brady", "bradycardia"},
    {"164909002", "LBBB", "left bundle branch block"},
    {"59118001", "RBBB", "right bundle branch block"},
    {"270492004", "IAVB", "first-degree AV block"},
    {"713426002", "IRBBB", "incomplete right bundle branch block"},
    {"39732003", "LAD", "left axis deviation"},
    {"445118002", "LAnFB", "left anterior fascicular block"},
    {"164947007", "LPR", "prolonged PR interval"},
    {"251146004", "LQRSV", "low QRS voltages"},
    {"111975006", "LQT", "prolonged QT interval"},
    {"698252002", "NSIVCB", "nonspecific intraventricular conduction disorder"},
    {"426783006", "NSR", "sinus rhythm"},
    {"284470004", "PAC", "premature atrial contraction"},
    {"10370003", "PR", "pacing rhythm"},
    {"365413008", "PRWP", "poor R wave progression"},
    {"427172004", "PVC", "premature ventricular contractions"},
    {"164917005", "QAb", "abnormal Q wave"},
    {"47665007", "RAD", "right axis deviation"},
    {"427393009", "SA", "sinus arrhythmia"},
    {"426177001", "SB", "sinus bradycardia"},
    {"427084000", "STach", "sinus tachycardia"},
    {"164934002", "TAb", "T wave abnormal"},
    {"59931005", "TInv", "T wave inversion"},
}};

struct SyntheticOptions {
  Index patients = 64;            ///< 1 .. 2^32
  Index records_per_patient = 3;  ///< 1 .. 2^20
  double seconds = 10;            ///< length of a recording, up to a day
  double rate_hz = 500;           ///< 25 .. 10000
  std::uint64_t seed = 1;
  double diseased = 0.6;  ///< share of the patients that may have conditions; the others are in sinus rhythm and healthy
  double noise = 1;       ///< factor on wander, muscle, mains, motion and amplifier noise; 0: none
  double faults = 0.03;   ///< share of recordings with a flat, loose, saturated or exchanged electrode
  std::string code = {};  ///< if set, every patient has this one of kSyntheticClasses and nothing else that is abnormal
};

/// A RecordSource: twelve standard leads in millivolt, with patient, age, sex and the codes of what the recording shows.
/// Recording i is the same on every run and for any thread count: a function of the options but patients (a larger cohort
/// begins with the smaller one), its patient and its number within the patient. A patient keeps body, conditions and beat
/// shapes; rhythm, rate, electrode positions and noise change between recordings.
///
/// In float arithmetic III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2 and aVF = II - I / 2 hold exactly.
class SyntheticCohort {
 public:
  ANYLEAD_INLINE SyntheticCohort();
  /// @throws OptionError for a value outside its range or an unknown code.
  ANYLEAD_INLINE explicit SyntheticCohort(const SyntheticOptions& options);

  Index size() const { return options_.patients * options_.records_per_patient; }
  const SyntheticOptions& options() const { return options_; }
  ANYLEAD_INLINE std::string id(Index i) const;         ///< "patient_0007/record_2"
  ANYLEAD_INLINE std::uint64_t version(Index i) const;  ///< hash of everything that shapes the recordings
  /// A class named by `code` that needs a beat of its own (PAC, PVC) is coded only if the recording is long enough to show one.
  /// @throws OptionError for a number outside 0 .. size() - 1.
  ANYLEAD_INLINE Record read(Index i) const;

 private:
  SyntheticOptions options_;
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/synthetic.ipp>
#endif
