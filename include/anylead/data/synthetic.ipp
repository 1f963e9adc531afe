#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/text.hpp>
#include <anylead/data/hash.hpp>
#include <anylead/data/leads.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/data/synthetic_model.hpp>
#include <anylead/data/synthetic_morphology.ipp>
#include <anylead/data/synthetic_noise.ipp>
#include <anylead/data/synthetic_patient.ipp>
#include <anylead/data/synthetic_rhythm.ipp>

namespace anylead::data {
namespace detail::synthetic {

/// What a cardiologist would write below the recording.
ANYLEAD_INLINE std::vector<std::string> codes_of(const Patient& patient, const Course& course) {
  const Conditions& c = patient.conditions;
  std::vector<std::string> codes;
  const auto add = [&](std::string_view abbreviation) {
    for (const SyntheticClass& known : kSyntheticClasses)
      if (known.abbreviation == abbreviation) codes.emplace_back(known.code);
  };
  const bool atrial = course.rhythm == Rhythm::fibrillation || course.rhythm == Rhythm::slow_fibrillation;
  if (course.rhythm == Rhythm::paced) {  // hides conduction, axis and repolarisation of the heart itself
    add("PR");
    return codes;
  }
  if (atrial) add("AF");
  if (course.rhythm == Rhythm::flutter) add("AFL");
  if ((atrial || course.rhythm == Rhythm::flutter) && course.mean_rate < 60) add("Brady");
  if (!atrial && course.rhythm != Rhythm::flutter) {
    if (course.mean_rate < 60) add("SB");
    if (course.mean_rate > 100) add("STach");
    if (course.rhythm == Rhythm::arrhythmia) add("SA");
    if (course.mean_rate >= 60 && course.mean_rate <= 100 && course.rhythm != Rhythm::arrhythmia) add("NSR");
    if (c.long_pr) add("IAVB");
    if (c.long_pr) add("LPR");
    if (course.ectopic_seen) add(c.ectopy == Ectopy::atrial ? "PAC" : "PVC");
  }
  if (c.conduction == Conduction::lbbb || c.conduction == Conduction::rbbb) add("BBB");
  if (c.conduction == Conduction::lbbb) add("LBBB");
  if (c.conduction == Conduction::rbbb) add("RBBB");
  if (c.conduction == Conduction::irbbb) add("IRBBB");
  if (c.conduction == Conduction::lafb) add("LAnFB");
  if (c.conduction == Conduction::nsivcb) add("NSIVCB");
  if (patient.frontal_axis < -30 && patient.frontal_axis > -90) add("LAD");
  if (patient.frontal_axis > 95) add("RAD");
  if (c.low_voltage) add("LQRSV");
  if (c.long_qt) add("LQT");
  if (c.poor_progression) add("PRWP");
  if (c.q_wave) add("QAb");
  if (c.t_wave == TWave::flat) add("TAb");
  if (c.t_wave == TWave::inverted) add("TInv");
  return codes;
}

/// The heart seen by the eight independent leads while the patient breathes, [8, T].
ANYLEAD_INLINE std::vector<double> project(const std::vector<double>& dipole, const LeadField& field, const Course& course,
                                           Index samples, double rate_hz, RandomSequence& random) {
  const double swing = random.uniform(0.01, 0.035), turn = random.uniform(0.01, 0.05);  // of amplitude, of the axis in radians
  Oscillator breath(6.283185307179586 * course.respiration / rate_hz, course.respiration_phase);
  std::vector<double> leads(8 * samples);
  for (Index i = 0; i < samples; ++i) {
    const double b = breath.next(), angle = turn * b, gain = 1 + swing * b;
    const Vector d{dipole[i], dipole[samples + i], dipole[2 * samples + i]};
    const Vector moved{gain * (d.x - angle * d.y), gain * (d.y + angle * d.x), gain * (d.z + 0.5 * angle * d.x)};
    for (std::size_t k = 0; k < 8; ++k) leads[static_cast<Index>(k) * samples + i] = dot(field[k], moved);
  }
  return leads;
}

}  // namespace detail::synthetic

ANYLEAD_INLINE SyntheticCohort::SyntheticCohort() : SyntheticCohort(SyntheticOptions()) {}

ANYLEAD_INLINE SyntheticCohort::SyntheticCohort(const SyntheticOptions& options) : options_(options) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  const auto check = [](bool holds, std::string_view name, std::string_view range, double found) {
    ANYLEAD_CHECK(holds, OptionError, "synthetic cohort", name, ": expected ", range, ", found ", found);
  };
  check(options.patients >= 1 && options.patients <= Index{1} << 32, "patients", "1 to 2^32", double(options.patients));
  check(options.records_per_patient >= 1 && options.records_per_patient <= Index{1} << 20, "records_per_patient", "1 to 2^20",
        double(options.records_per_patient));
  check(options.rate_hz >= 25 && options.rate_hz <= 10000, "rate_hz", "25 to 10000", options.rate_hz);
  check(options.seconds > 0 && options.seconds <= 86400 && options.seconds * options.rate_hz >= 1, "seconds",
        "at least one sample and at most a day", options.seconds);
  check(share(options.diseased), "diseased", "a share from 0 to 1", options.diseased);
  check(share(options.faults), "faults", "a share from 0 to 1", options.faults);
  check(options.noise >= 0 && options.noise <= 1000, "noise", "a factor from 0 to 1000", options.noise);
  if (options.code.empty()) return;
  for (const SyntheticClass& known : kSyntheticClasses)
    if (known.code == options.code) return;
  ANYLEAD_CHECK(false, OptionError, "synthetic cohort", "code: expected one of kSyntheticClasses, found \"", options.code, '"');
}

ANYLEAD_INLINE std::string SyntheticCohort::id(Index i) const {
  const std::string patient = str(i / options_.records_per_patient);
  return str("patient_", std::string(patient.size() < 4 ? 4 - patient.size() : 0, '0'), patient, "/record_",
             i % options_.records_per_patient);
}

ANYLEAD_INLINE std::uint64_t SyntheticCohort::version(Index) const {
  Hash64 hash;
  hash.add(std::string_view("synthetic cohort 1"));  // grows with every change of the recordings
  hash.add(options_.seed);
  for (const double value : {double(options_.records_per_patient), options_.seconds, options_.rate_hz, options_.diseased,
                             options_.noise, options_.faults})
    hash.add(value);
  hash.add(std::string_view(options_.code));
  return hash.value();
}

ANYLEAD_INLINE Record SyntheticCohort::read(Index i) const {
  using namespace detail::synthetic;
  ANYLEAD_CHECK(i >= 0 && i < size(), OptionError, "synthetic cohort", "expected a recording from 0 to ", size() - 1,
                ", found ", i);
  const Index number = i / options_.records_per_patient, visit = i % options_.records_per_patient;
  const auto stream = [&](std::string_view purpose, Index step) {
    return RandomStream{options_.seed, static_cast<std::uint64_t>(step), site_key(purpose)};
  };
  const Index step = number << 20 | visit;
  RandomSequence body(stream("data.synthetic.patient", number)), heart(stream("data.synthetic.heart", step)),
      placing(stream("data.synthetic.electrodes", step)), noise(stream("data.synthetic.noise", step)),
      faults(stream("data.synthetic.faults", step));

  const Patient patient = make_patient(body, options_.diseased, options_.code);
  const Course course = make_course(patient, options_.seconds, heart);
  const Index samples = std::max(Index{1}, static_cast<Index>(std::llround(options_.seconds * options_.rate_hz)));
  const LeadField field = displaced(patient.field, 0.06, placing);
  const std::vector<double> leads =
      project(dipole(patient, course, samples, options_.rate_hz, heart), field, course, samples, options_.rate_hz, placing);

  std::vector<float> electrodes =
      electrode_noise(course, samples, options_.rate_hz, options_.noise, noise, stream("data.synthetic.white", step));
  const bool faulty = faults.uniform() < options_.faults;
  const Fault fault = faulty ? static_cast<Fault>(1 + faults.below(4)) : Fault::none;
  const Index electrode = faults.below(kElectrodes), chest = faults.below(6);
  if (fault == Fault::loose)
    loosen({electrodes.data() + electrode * samples, static_cast<std::size_t>(samples)}, options_.rate_hz, faults);

  Record record;
  record.id = id(i);
  record.rate_hz = options_.rate_hz;
  record.leads.assign(kLeadNames.begin(), kLeadNames.end());
  record.samples = samples;
  record.signal.resize(static_cast<std::size_t>(12 * samples));
  record.patient = str("synthetic-", options_.seed, '-', number);
  record.age_years = patient.age;
  record.sex = patient.female ? "female" : "male";
  record.codes = codes_of(patient, course);
  for (Index s = 0; s < samples; ++s) {
    const double right = double{electrodes[s]}, left = double{electrodes[samples + s]},
                 foot = double{electrodes[2 * samples + s]};
    float one = static_cast<float>(leads[s] + left - right), two = static_cast<float>(leads[samples + s] + foot - right);
    if (fault == Fault::exchanged) {  // the cables of both arms: I turns over, II and III change places
      two = two - one;
      one = -one;
    }
    const float limbs[6] = {one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2};
    for (Index k = 0; k < 6; ++k) record.lead(k)[s] = limbs[k];
    for (Index k = 0; k < 6; ++k)
      record.lead(6 + k)[s] = static_cast<float>(leads[(2 + k) * samples + s] + double{electrodes[(3 + k) * samples + s]} -
                                                 (right + left + foot) / 3);
  }
  float* const lead = record.lead(6 + chest);
  if (fault == Fault::flat) std::fill(lead, lead + samples, 0.0f);
  if (fault == Fault::saturated)  // the amplifier drifts to its rail
    for (Index s = 0; s < samples; ++s) {
      const double drift = 12 * double(s) / double(samples) - 3;
      lead[s] = std::clamp(lead[s] + static_cast<float>(std::max(0.0, drift)), -3.2f, 3.2f);
    }
  return record;
}

}  // namespace anylead::data
