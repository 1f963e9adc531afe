#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/data/synthetic_model.hpp>

namespace anylead::data::detail::synthetic {

/// A dipole over time that waves are added to, [3, T].
class Dipole {
 public:
  Dipole(Index samples, double rate_hz) : values_(3 * samples), samples_(samples), rate_hz_(rate_hz) {}

  void add(Wave w, double time, double size) {
    const double at = time + w.at;
    const Index first = std::max(Index{0}, static_cast<Index>(std::ceil((at - 4.5 * w.rise) * rate_hz_)));
    const Index last = std::min(samples_ - 1, static_cast<Index>(std::floor((at + 4.5 * w.fall) * rate_hz_)));
    for (Index i = first; i <= last; ++i) {
      const double t = double(i) / rate_hz_ - at, u = t / (t < 0 ? w.rise : w.fall);
      add_sample(i, size * std::exp(-0.5 * u * u), w.v);
    }
  }

  void add(const Waves& waves, double time, double size) {
    for (const Wave& w : waves) add(w, time, size);
  }

  void add_sample(Index i, double size, Vector v) {
    values_[i] += size * v.x;
    values_[samples_ + i] += size * v.y;
    values_[2 * samples_ + i] += size * v.z;
  }

  std::vector<double> take() { return std::move(values_); }

 private:
  std::vector<double> values_;
  Index samples_;
  double rate_hz_;
};

/// QRS, ST segment, T and U wave. QT = QTc - 1.75 ms/(1/min) (rate - 60/min) (Hodges et al. 1983).
ANYLEAD_INLINE void add_complex(Dipole& dipole, const Patient& patient, const Complex& beat, double time, double rr,
                                double qt_extra, double size) {
  dipole.add(beat.qrs, time, size);
  const double qt = std::max(0.22, patient.qtc + qt_extra - 0.00175 * (60 / rr - 60));
  const double root = std::sqrt(std::clamp(rr, 0.45, 1.2)), fall = 0.037 * root, rise = 1.65 * fall;
  const double peak = time + beat.onset + qt - 2.3 * fall;
  dipole.add({0, rise, fall, beat.t}, peak, size);
  if (dot(beat.st, beat.st) > 0) dipole.add({0, 0.030, 0.055, beat.st}, time + beat.end + 0.02, size);
  if (patient.u > 0 && rr > 0.7) dipole.add({0, 0.032, 0.036, {0.020, 0.012, -0.026}}, peak + 0.18 * root, patient.u);
}

/// f waves as a frequency-modulated saw-tooth of five harmonics (Stridh and Sornmo 2001).
ANYLEAD_INLINE void add_fibrillation(Dipole& dipole, const Patient& patient, double size, Index samples, double rate_hz,
                                     RandomSequence& random) {
  const double pi2 = 6.283185307179586;
  const double deviation = random.uniform(0.4, 0.8), slow = random.uniform(0.15, 0.35), phase = random.uniform(0, pi2);
  const double swing = random.uniform(0.35, 0.55), swing_hz = random.uniform(0.4, 0.9), swing_phase = random.uniform(0, pi2);
  const double wander_hz = random.uniform(1.1, 1.9), wander_phase = random.uniform(0, pi2);
  for (Index i = 0; i < samples; ++i) {
    const double t = double(i) / rate_hz;
    const double theta = pi2 * patient.atrial_rate * t + deviation / slow * std::sin(pi2 * slow * t + phase) +
                         1.1 * std::sin(pi2 * wander_hz * t + wander_phase);
    const double twice = 2 * std::cos(theta);
    double before = 0, sine = std::sin(theta), sum = 0;
    for (int k = 1; k <= 5; ++k) {  // sin((k + 1) theta) = 2 cos(theta) sin(k theta) - sin((k - 1) theta)
      sum += sine / k * std::exp(-0.6 * (k - 1));
      const double next = twice * sine - before;
      before = sine;
      sine = next;
    }
    const double a = size * (1 + swing * std::sin(pi2 * swing_hz * t + swing_phase));
    dipole.add_sample(i, a * sum, {-0.020, 0.030, -0.042});
  }
}

/// Flutter waves: a slow fall and a steep rise in the inferior leads, positive in V1, without an isoelectric line between.
ANYLEAD_INLINE void add_flutter(Dipole& dipole, const Patient& patient, const Course& course, Index samples, double rate_hz) {
  for (Index i = 0; i < samples; ++i) {
    const double theta = 6.283185307179586 * course.flutter_hz * (double(i) / rate_hz - course.flutter_start);
    const double twice = 2 * std::cos(theta);
    double before = 0, sine = std::sin(theta), sum = 0;
    for (int k = 1; k <= 6; ++k) {
      sum += sine / k * std::exp(-0.12 * (k - 1));
      const double next = twice * sine - before;
      before = sine;
      sine = next;
    }
    dipole.add_sample(i, 0.85 * patient.atrial_size * sum, {-0.020, -0.090, -0.050});
  }
}

ANYLEAD_INLINE std::vector<double> dipole(const Patient& patient, const Course& course, Index samples, double rate_hz,
                                          RandomSequence& random) {
  Dipole sum(samples, rate_hz);
  const double spike = std::max(0.0013, 0.55 / rate_hz);  // no narrower than a sample, so that none is lost between two
  for (const Activation& a : course.activations) {
    const double size = random.normal(1, 0.015);  // beats differ a little
    switch (a.event) {
      case Event::p:
        sum.add(patient.p, a.time, size);
        break;
      case Event::ectopic_p:
        sum.add(patient.ectopic_p, a.time, size);
        break;
      case Event::normal:
        add_complex(sum, patient, patient.normal, a.time, a.rr, 0, size);
        break;
      case Event::premature:
        add_complex(sum, patient, patient.premature, a.time, a.rr, 0.03, size);
        break;
      case Event::paced:
        add_complex(sum, patient, patient.paced, a.time, a.rr, 0.04, size);
        break;
      case Event::spike:
        sum.add({0, spike, spike, {0.45, -0.70, 0.40}}, a.time, 1);
        break;
    }
  }
  if (course.fibrillation > 0) add_fibrillation(sum, patient, course.fibrillation, samples, rate_hz, random);
  if (course.flutter_hz > 0) add_flutter(sum, patient, course, samples, rate_hz);
  return sum.take();
}

}  // namespace anylead::data::detail::synthetic
