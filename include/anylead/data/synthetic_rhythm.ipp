#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/data/synthetic_model.hpp>

namespace anylead::data::detail::synthetic {

/// Collects activations and what the recording shows of them.
class CourseBuilder {
 public:
  CourseBuilder(Course& course, const Patient& patient, double seconds)
      : course_(course), patient_(patient), seconds_(seconds) {}

  void add(Event event, double time, double rr) {
    course_.activations.push_back({event, time, rr});
    const bool beat = event == Event::normal || event == Event::premature || event == Event::paced;
    if (!beat || time < 0 || time >= seconds_) return;
    if (beats_++ == 0) first_ = time;
    last_ = time;
  }

  /// A conducted sinus beat; PR shortens a little with the rate but is no longer than the cycle has room for.
  void sinus_beat(double time, double rr) {
    const double pr = std::min(patient_.pr - 0.06 * std::max(0.0, 0.75 - rr), 0.5 * rr);
    p_wave(Event::p, time, rr, pr);
    add(Event::normal, time, rr);
  }

  /// The P wave that begins `pr` before the QRS.
  void p_wave(Event event, double time, double rr, double pr) {
    const Wave& first = patient_.p.front();
    add(event, time + patient_.normal.onset - pr - (first.at - 2.2 * first.rise), rr);
  }

  void ectopic(double time) { course_.ectopic_seen = course_.ectopic_seen || (time > 0.25 && time < seconds_ - 0.35); }

  void finish(double rr) { course_.mean_rate = beats_ > 1 ? 60 * double(beats_ - 1) / (last_ - first_) : 60 / rr; }

 private:
  Course& course_;
  const Patient& patient_;
  double seconds_, first_ = 0, last_ = 0;
  Index beats_ = 0;
};

/// Sinus rhythm: RR = RR0 (1 + a sin(2 pi 0.095 t + phi) + b sin(2 pi f_r t + phi_r) + e), slow waves, respiration, chance.
ANYLEAD_INLINE void sinus_course(Course& course, CourseBuilder& builder, const Patient& patient, double seconds,
                                 RandomSequence& random) {
  const bool arrhythmia = course.rhythm == Rhythm::arrhythmia;
  double rate = std::clamp(patient.rate + random.normal(0, 4), 62.0, 96.0);
  if (course.rhythm == Rhythm::bradycardia) rate = random.uniform(43, 56);
  if (course.rhythm == Rhythm::tachycardia) rate = random.uniform(105, 142);
  if (arrhythmia) rate = random.uniform(64, 82);
  const double rr0 = 60 / rate, calm = std::min(1.0, rr0 * rr0);  // fast rhythms vary less
  const double youth = std::clamp(1.5 - patient.age / 80, 0.4, 1.3);
  const double low = random.uniform(0.008, 0.025) * calm * youth, chance = 0.006 * calm, phase = random.uniform(0, 6.28);
  const double high = arrhythmia ? random.uniform(0.13, 0.2) : random.uniform(0.006, 0.025) * calm * youth;
  if (arrhythmia) course.respiration = random.uniform(0.17, 0.22);
  const Ectopy ectopy = patient.conditions.ectopy;
  Index until_ectopic = -1;
  double t = -2.5 - rr0 * random.uniform(), mean = rr0;
  while (t < seconds + 1) {
    const double rr = rr0 * (1 + low * std::sin(6.283185307179586 * 0.095 * t + phase) +
                             high * std::sin(6.283185307179586 * course.respiration * t + course.respiration_phase) +
                             chance * random.normal());
    if (ectopy != Ectopy::none && until_ectopic < 0 && t > -rr) until_ectopic = random.below(3);
    builder.sinus_beat(t, mean);
    mean += 0.35 * (rr - mean);  // QT follows the rate with delay
    if (until_ectopic == 0) {
      until_ectopic = 3 + Index{random.below(4)};
      const double early = t + rr * random.uniform(0.58, 0.7);
      builder.ectopic(early);
      if (ectopy == Ectopy::atrial) {  // resets the sinus node: the pause is hardly longer than a cycle
        builder.p_wave(Event::ectopic_p, early, mean, std::min(patient.pr, 0.15));
        builder.add(Event::normal, early, mean);
        t = early + rr * random.uniform(1.08, 1.2);
      } else {  // the sinus node goes on, its next P wave finds the ventricles refractory: full compensatory pause
        builder.p_wave(Event::p, t + rr, mean, patient.pr);
        builder.add(Event::premature, early, mean);
        t += 2 * rr;
      }
      --until_ectopic;
      continue;
    }
    if (until_ectopic > 0) --until_ectopic;
    t += rr;
  }
  builder.finish(rr0);
}

ANYLEAD_INLINE Course make_course(const Patient& patient, double seconds, RandomSequence& random) {
  Course course;
  course.rhythm = patient.conditions.rhythm;
  const bool episode = random.uniform() < 0.5;
  const bool sinus_possible = course.rhythm == Rhythm::fibrillation || course.rhythm == Rhythm::slow_fibrillation ||
                              course.rhythm == Rhythm::flutter || course.rhythm == Rhythm::tachycardia;
  if (sinus_possible && !patient.conditions.permanent && !episode) course.rhythm = Rhythm::sinus;
  course.respiration = patient.respiration * random.uniform(0.9, 1.1);
  course.respiration_phase = random.uniform(0, 6.28);
  CourseBuilder builder(course, patient, seconds);
  switch (course.rhythm) {
    case Rhythm::fibrillation:
    case Rhythm::slow_fibrillation: {  // irregularly irregular: independent cycles
      const double rr0 = 60 / (course.rhythm == Rhythm::fibrillation ? random.uniform(72, 125) : random.uniform(42, 54));
      const double spread = random.uniform(0.17, 0.25);
      course.fibrillation = patient.atrial_size * random.uniform(0.9, 1.1);
      for (double t = -2.5 - rr0 * random.uniform(), mean = rr0; t < seconds + 1;) {
        builder.add(Event::normal, t, mean);
        const double rr =
            std::max(0.34, rr0 * std::exp(spread * std::clamp(random.normal(), -2.2, 2.2) - 0.5 * spread * spread));
        mean += 0.3 * (rr - mean);
        t += rr;
      }
      builder.finish(rr0);
      break;
    }
    case Rhythm::flutter: {  // every 2nd, 3rd or 4th atrial cycle is conducted
      course.flutter_hz = random.uniform(4.4, 5.3);
      const double rr0 = double(2 + random.below(3)) / course.flutter_hz;
      course.flutter_start = -2.5 - rr0 * random.uniform();
      for (double t = course.flutter_start + 0.3 * rr0; t < seconds + 1; t += rr0)
        builder.add(Event::normal, t + random.normal(0, 0.003), rr0);
      builder.finish(rr0);
      break;
    }
    case Rhythm::paced: {  // the ventricle on demand over fibrillation, or after each atrial beat
      const bool dual = random.uniform() < 0.6, atrial_spike = random.uniform() < 0.5;
      const double rr0 = 60 / (dual ? random.uniform(60, 82) : 60 + 10 * double(random.below(2)));
      if (!dual) course.fibrillation = 0.6 * patient.atrial_size;
      for (double t = -2.5 - rr0 * random.uniform(); t < seconds + 1; t += rr0) {
        const double spike = t + patient.paced.onset - 0.006;
        if (dual) {
          builder.add(Event::p, spike - 0.11, rr0);
          if (atrial_spike) builder.add(Event::spike, spike - 0.175, rr0);
        }
        builder.add(Event::spike, spike, rr0);
        builder.add(Event::paced, t, rr0);
      }
      builder.finish(rr0);
      break;
    }
    default:
      sinus_course(course, builder, patient, seconds, random);
  }
  return course;
}

}  // namespace anylead::data::detail::synthetic
