#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include <anylead/data/synthetic_model.hpp>

namespace anylead::data::detail::synthetic {

inline constexpr double kDegree = 0.017453292519943295;

/// Dower's matrix for Frank's axes.
inline constexpr LeadField kDower = {{{0.632, -0.235, 0.059},
                                      {0.235, 1.066, -0.132},
                                      {-0.515, 0.157, -0.917},
                                      {0.044, 0.164, -1.387},
                                      {0.882, 0.098, -1.277},
                                      {1.213, 0.127, -0.601},
                                      {1.125, 0.127, -0.086},
                                      {0.831, 0.076, 0.230}}};

ANYLEAD_INLINE Vector lead_row(const LeadField& field, int lead) {
  const Vector one = field[0], two = field[1];
  switch (lead) {
    case 0:
      return one;
    case 1:
      return two;
    case 2:
      return two - one;
    case 3:
      return -0.5 * (one + two);
    case 4:
      return one - 0.5 * two;
    case 5:
      return two - 0.5 * one;
    default:
      return field[static_cast<std::size_t>(lead - 4)];
  }
}

ANYLEAD_INLINE LeadField displaced(const LeadField& field, double spacings, RandomSequence& random) {
  LeadField moved = field;
  for (std::size_t k = 2; k < 8; ++k) {  // along the row of electrodes, and up or down
    const Vector slope = 0.5 * (field[std::min<std::size_t>(k + 1, 7)] - field[std::max<std::size_t>(k - 1, 2)]);
    moved[k] = field[k] + std::clamp(random.normal(0, spacings), -2 * spacings, 2 * spacings) * slope;
    moved[k].y += random.normal(0, 0.3 * spacings);
  }
  return moved;
}

/// About the axis from back to front; positive angles turn the frontal axis from left to foot.
ANYLEAD_INLINE Vector turned_frontal(Vector v, double degrees) {
  const double c = std::cos(kDegree * degrees), s = std::sin(kDegree * degrees);
  return {c * v.x - s * v.y, s * v.x + c * v.y, v.z};
}

/// About the axis from head to foot; positive angles turn from left to back.
ANYLEAD_INLINE Vector turned_horizontal(Vector v, double degrees) {
  const double c = std::cos(kDegree * degrees), s = std::sin(kDegree * degrees);
  return {c * v.x - s * v.z, v.y, s * v.x + c * v.z};
}

/// Area under the waves (times 2.5).
ANYLEAD_INLINE Vector net(std::span<const Wave> waves) {
  Vector sum{};
  for (const Wave& w : waves) sum = sum + (w.rise + w.fall) * w.v;
  return sum;
}

/// Frontal axis of an area in degrees, from I and aVF, whose scales differ by 2 / sqrt(3).
ANYLEAD_INLINE double frontal_axis(const LeadField& field, Vector area) {
  return std::atan2(dot(lead_row(field, 5), area) * 1.1547005383792515, dot(lead_row(field, 0), area)) / kDegree;
}

ANYLEAD_INLINE double wave_value(const Wave& w, double t) {
  const double u = (t - w.at) / (t < w.at ? w.rise : w.fall);
  return std::exp(-0.5 * u * u);
}

struct Range {
  double low, high;
};

/// Extremes of a QRS in one lead.
ANYLEAD_INLINE Range extremes(const Waves& waves, Vector row) {
  Range r{0, 0};
  for (double t = -0.12; t < 0.16; t += 0.002) {
    double value = 0;
    for (const Wave& w : waves) value += dot(row, w.v) * wave_value(w, t);
    r = {std::min(r.low, value), std::max(r.high, value)};
  }
  return r;
}

// QRS shapes in millivolt for a heart of unit size: activation of the septum, the free walls, the base.
ANYLEAD_INLINE Waves qrs_shape(Conduction conduction) {
  switch (conduction) {
    case Conduction::lbbb:  // from right to left, slow and notched; no septal q
      return {{-0.038, 0.010, 0.012, {0.25, 0.15, -0.06}},
              {-0.006, 0.016, 0.018, {0.85, 0.40, 0.85}},
              {0.036, 0.019, 0.017, {0.95, 0.20, 0.78}},
              {0.070, 0.014, 0.011, {0.25, 0.00, 0.20}}};
    case Conduction::rbbb:  // the left side in time, the right side late: towards the right and the front
      return {{-0.022, 0.007, 0.007, {-0.16, -0.08, -0.28}},
              {0.000, 0.011, 0.011, {1.00, 0.60, 0.25}},
              {0.020, 0.010, 0.010, {0.12, 0.05, 0.35}},
              {0.058, 0.017, 0.016, {-0.50, -0.08, -0.62}}};
    case Conduction::irbbb:
      return {{-0.022, 0.007, 0.007, {-0.15, -0.08, -0.26}},
              {0.000, 0.011, 0.011, {1.00, 0.60, 0.28}},
              {0.019, 0.010, 0.010, {0.10, 0.00, 0.50}},
              {0.044, 0.011, 0.011, {-0.24, -0.06, -0.36}}};
    case Conduction::lafb:  // first down and to the right, then up and to the left
      return {{-0.022, 0.008, 0.008, {-0.16, 0.26, -0.20}},
              {0.004, 0.013, 0.013, {1.00, 0.60, 0.25}},
              {0.024, 0.012, 0.011, {0.15, -0.10, 0.60}},
              {0.040, 0.009, 0.009, {-0.06, -0.12, 0.25}}};
    case Conduction::nsivcb:  // slow everywhere, slurred
      return {{-0.034, 0.010, 0.010, {-0.08, -0.04, -0.20}},
              {-0.004, 0.015, 0.014, {0.85, 0.50, 0.15}},
              {0.026, 0.013, 0.014, {0.45, 0.30, 0.60}},
              {0.050, 0.014, 0.012, {-0.10, -0.12, 0.40}}};
    default:
      return {{-0.022, 0.007, 0.007, {-0.15, -0.08, -0.28}},
              {0.000, 0.011, 0.011, {1.00, 0.60, 0.20}},
              {0.018, 0.010, 0.010, {0.10, -0.05, 0.62}},
              {0.033, 0.008, 0.008, {-0.14, -0.10, 0.28}}};
  }
}

/// A beat from the muscle of a ventricle: along `direction`, slowly.
ANYLEAD_INLINE Waves muscle_beat(Vector direction, double width) {
  return {{-0.046 * width, 0.016 * width, 0.018 * width, 0.35 * direction + Vector{0.05, 0.05, -0.05}},
          {-0.004, 0.021 * width, 0.022 * width, direction},
          {0.044 * width, 0.021 * width, 0.019 * width, 0.62 * turned_horizontal(direction, 18)}};
}

ANYLEAD_INLINE void set_limits(Complex& c) {
  c.onset = 1;
  c.end = -1;
  for (const Wave& w : c.qrs) {
    c.onset = std::min(c.onset, w.at - 2.2 * w.rise);
    c.end = std::max(c.end, w.at + 2.2 * w.fall);
  }
}

/// Repolarisation against the direction of a slow depolarisation (secondary ST-T changes).
ANYLEAD_INLINE void make_discordant(Complex& c, double size) {
  const Vector area = net(c.qrs);
  const double length = std::sqrt(dot(area, area)) + 1e-9;
  c.t = (-size / length) * area;
  c.st = 0.22 * c.t;
}

ANYLEAD_INLINE void scale(Complex& c, double factor) {
  for (Wave& w : c.qrs) w.v = factor * w.v;
  c.t = factor * c.t;
  c.st = factor * c.st;
}

ANYLEAD_INLINE Conditions draw_conditions(RandomSequence& random, double diseased) {
  Conditions c;
  const bool ill = random.uniform() < diseased;
  const auto happens = [&](double share) { return random.uniform() < share && ill; };
  const double conduction = random.uniform(), axis = random.uniform(), t_wave = random.uniform(), rhythm = random.uniform(),
               ectopy = random.uniform();
  c.long_pr = happens(0.09);
  c.long_qt = happens(0.06);
  c.q_wave = happens(0.07);
  c.poor_progression = happens(0.06);
  c.low_voltage = happens(0.06);
  c.permanent = random.uniform() < 0.7;
  if (!ill) return c;
  c.conduction = conduction < 0.05   ? Conduction::lbbb
                 : conduction < 0.13 ? Conduction::rbbb
                 : conduction < 0.20 ? Conduction::irbbb
                 : conduction < 0.25 ? Conduction::lafb
                 : conduction < 0.30 ? Conduction::nsivcb
                                     : Conduction::normal;
  c.axis = axis < 0.08 ? Axis::left : axis < 0.13 ? Axis::right : Axis::normal;
  c.t_wave = t_wave < 0.12 ? TWave::flat : t_wave < 0.24 ? TWave::inverted : TWave::normal;
  c.rhythm = rhythm < 0.10   ? Rhythm::bradycardia
             : rhythm < 0.19 ? Rhythm::tachycardia
             : rhythm < 0.26 ? Rhythm::arrhythmia
             : rhythm < 0.37 ? Rhythm::fibrillation
             : rhythm < 0.40 ? Rhythm::slow_fibrillation
             : rhythm < 0.45 ? Rhythm::flutter
             : rhythm < 0.50 ? Rhythm::paced
                             : Rhythm::sinus;
  c.ectopy = ectopy < 0.1 ? Ectopy::atrial : ectopy < 0.2 ? Ectopy::ventricular : Ectopy::none;
  return c;
}

/// A heart with one condition, by abbreviation-free code.
ANYLEAD_INLINE Conditions conditions_of(std::string_view code, bool coin) {
  Conditions c;
  if (code == "164889003") c.rhythm = Rhythm::fibrillation;
  if (code == "164890007") c.rhythm = Rhythm::flutter;
  if (code == "6374002") c.conduction = coin ? Conduction::lbbb : Conduction::rbbb;
  if (code == "426627000") c.rhythm = Rhythm::slow_fibrillation;
  if (code == "164909002") c.conduction = Conduction::lbbb;
  if (code == "59118001") c.conduction = Conduction::rbbb;
  if (code == "270492004" || code == "164947007") c.long_pr = true;
  if (code == "713426002") c.conduction = Conduction::irbbb;
  if (code == "39732003") c.axis = Axis::left;
  if (code == "445118002") c.conduction = Conduction::lafb;
  if (code == "251146004") c.low_voltage = true;
  if (code == "111975006") c.long_qt = true;
  if (code == "698252002") c.conduction = Conduction::nsivcb;
  if (code == "284470004") c.ectopy = Ectopy::atrial;
  if (code == "10370003") c.rhythm = Rhythm::paced;
  if (code == "365413008") c.poor_progression = true;
  if (code == "427172004") c.ectopy = Ectopy::ventricular;
  if (code == "164917005") c.q_wave = true;
  if (code == "47665007") c.axis = Axis::right;
  if (code == "427393009") c.rhythm = Rhythm::arrhythmia;
  if (code == "426177001") c.rhythm = Rhythm::bradycardia;
  if (code == "427084000") c.rhythm = Rhythm::tachycardia;
  if (code == "164934002") c.t_wave = TWave::flat;
  if (code == "59931005") c.t_wave = TWave::inverted;
  return c;
}

/// Waves that the frontal axis is that of: in right bundle branch block all but the late one.
ANYLEAD_INLINE std::span<Wave> part_with_axis(Conduction conduction, Waves& qrs) {
  return std::span<Wave>(qrs).first(qrs.size() - (conduction == Conduction::rbbb ? 1 : 0));
}

/// The conducted QRS: shape, then progression of R, frontal axis, Q waves.
ANYLEAD_INLINE void make_normal_complex(Patient& p, RandomSequence& random) {
  const Conditions& c = p.conditions;
  Complex& beat = p.normal;
  beat.qrs = qrs_shape(c.conduction);
  const bool wide = c.conduction == Conduction::lbbb || c.conduction == Conduction::rbbb || c.conduction == Conduction::nsivcb;
  const double width = wide ? random.uniform(0.97, 1.06) : random.uniform(0.94, 1.1);
  for (Wave& w : beat.qrs) {
    w.at *= width;
    w.rise *= width;
    w.fall *= width;
    const double size = random.normal(1, 0.08);
    w.v = size * w.v + 0.03 * Vector{random.normal(), random.normal(), random.normal()};
    w.v = turned_horizontal(w.v, c.conduction == Conduction::normal ? random.normal(0, 2) : 0);
  }

  // R in V3 is above 0.3 mV in a normal progression, below in a poor one: turn the main vectors to the front or the back.
  if (!wide || c.poor_progression)
    for (int step = 0; step < 12; ++step) {
      const double r3 = extremes(beat.qrs, p.field[4]).high;
      if (c.poor_progression ? r3 < 0.22 : r3 > 0.6) break;
      for (std::size_t w = c.poor_progression ? 0 : 1; w < beat.qrs.size(); ++w) {
        if (c.poor_progression && w == 0)
          beat.qrs[w].v.z *= 0.8;
        else
          beat.qrs[w].v = turned_horizontal(beat.qrs[w].v, c.poor_progression ? 5 : -4);
      }
    }

  // In left bundle branch block S prevails as far as V3.
  for (int step = 0; c.conduction == Conduction::lbbb && step < 12; ++step) {
    const Range v3 = extremes(beat.qrs, p.field[4]);
    if (v3.low < -2.5 * v3.high - 0.3) break;
    for (Wave& w : beat.qrs) w.v = turned_horizontal(w.v, 4);
  }

  double target = std::clamp(random.normal(52 - 0.35 * (p.age - 45), 18), -5.0, 80.0);
  if (c.conduction == Conduction::lbbb) target = random.uniform(-22, 30);
  if (c.axis == Axis::left) target = random.uniform(-58, -38);
  if (c.axis == Axis::right) target = random.uniform(100, 122);
  if (c.conduction == Conduction::lafb) target = random.uniform(-68, -50);
  if (c.axis == Axis::right) beat.qrs.insert(beat.qrs.begin(), {-0.010, 0.010, 0.009, {0.75, 0.05, 0.05}});  // keeps R in V6
  const std::span<Wave> counted = part_with_axis(c.conduction, beat.qrs);
  const bool first_stays = c.conduction == Conduction::lafb || c.axis == Axis::right;
  const std::span<Wave> turned = counted.subspan(first_stays ? 1 : 0);
  const double before = frontal_axis(p.field, net(counted));
  for (int step = 0; step < 6; ++step) {  // the lead field is not orthogonal, so that one turn does not suffice
    const double turn = std::remainder(target - frontal_axis(p.field, net(counted)), 360.0);
    for (Wave& w : turned) w.v = turned_frontal(w.v, turn);
  }

  // Repolarisation follows the axis half the way.
  beat.t = turned_frontal(Vector{0.27, 0.18, -0.13} + 0.025 * Vector{random.normal(), random.normal(), random.normal()},
                          0.4 * std::clamp(target - before, -70.0, 60.0));
  for (int step = 0; step < 12 && dot(p.field[0], beat.t) < 0.09; ++step) beat.t.x += 0.02;  // upright in I, whatever the axis
  if (c.conduction == Conduction::lbbb) make_discordant(beat, random.uniform(0.36, 0.46));
  if (c.conduction == Conduction::rbbb) beat.t = beat.t + Vector{0.06, 0.0, 0.24};
  if (c.conduction == Conduction::irbbb) beat.t = beat.t + Vector{0.02, 0.0, 0.06};
  if (c.conduction == Conduction::nsivcb) beat.t = 0.6 * beat.t;
  if (c.t_wave == TWave::flat) beat.t = 0.16 * beat.t;
  const std::uint32_t place = random.below(3);
  if (c.t_wave == TWave::inverted)
    beat.t = place == 0   ? Vector{-0.32, 0.06, 0.02}    // lateral
             : place == 1 ? Vector{-0.20, 0.10, 0.26}    // anterior
                          : Vector{0.16, -0.32, -0.16};  // inferior
  if (c.q_wave) {
    if (place == 0) {  // inferior: the first 40 ms point up
      for (Wave& w : beat.qrs) w.v.y += 0.12;
      beat.qrs[0].v = {-0.06, -0.30, -0.16};
      beat.qrs.push_back({-0.020, 0.011, 0.009, {0.06, -0.52, -0.02}});
    } else if (place == 1) {  // anteroseptal: no force to the front
      beat.qrs[0].v = {0.06, -0.02, 0.10};
      beat.qrs.push_back({-0.004, 0.014, 0.013, {-0.05, 0.02, 0.62}});
    } else {  // lateral: the first 40 ms point to the right
      beat.qrs[0].v = {-0.20, 0.02, -0.20};
      beat.qrs.push_back({-0.020, 0.011, 0.009, {-0.62, 0.04, 0.0}});
    }
  }
  set_limits(beat);
}

ANYLEAD_INLINE Patient make_patient(RandomSequence& random, double diseased, std::string_view code) {
  Patient p;
  p.age = std::clamp(std::round(random.normal(57, 17)), 18.0, 95.0);
  p.female = random.uniform() < 0.5;
  const Conditions drawn = draw_conditions(random, diseased);
  const bool coin = random.uniform() < 0.5;
  p.conditions = code.empty() ? drawn : conditions_of(code, coin);
  const Conditions& c = p.conditions;
  const bool of_age = c.conduction == Conduction::lbbb || c.conduction == Conduction::rbbb ||
                      c.rhythm == Rhythm::fibrillation || c.rhythm == Rhythm::slow_fibrillation ||
                      c.rhythm == Rhythm::flutter || c.rhythm == Rhythm::paced;
  if (of_age && p.age < 50) p.age = 100 - p.age;  // rare in the young

  p.field = displaced(kDower, 0.25, random);
  for (Vector& row : p.field) {
    const double size = std::exp(random.normal(0, 0.08));
    row = size * row + 0.03 * Vector{random.normal(), random.normal(), random.normal()};
  }

  make_normal_complex(p, random);
  p.frontal_axis = frontal_axis(p.field, net(part_with_axis(c.conduction, p.normal.qrs)));

  const std::uint32_t origin = random.below(3);  // outflow tract, left free wall, apex
  const Vector directions[] = {{0.40, 1.05, 0.62}, {-0.95, 0.50, -0.75}, {0.55, -0.95, 0.62}};
  p.premature.qrs = muscle_beat(random.uniform(0.95, 1.2) * directions[origin], random.uniform(0.95, 1.1));
  make_discordant(p.premature, 0.55);
  set_limits(p.premature);
  p.paced.qrs = muscle_beat(Vector{0.64, -0.74, 0.80}, random.uniform(0.9, 1.02));
  make_discordant(p.paced, 0.5);
  set_limits(p.paced);

  // Size of the heart's field: by the largest limb and chest leads.
  double limb = 0, chest = 0;
  for (int lead = 0; lead < 12; ++lead) {
    const Range r = extremes(p.normal.qrs, lead_row(p.field, lead));
    (lead < 6 ? limb : chest) = std::max(lead < 6 ? limb : chest, r.high - r.low);
  }
  double size = std::clamp(1.15 * std::exp(random.normal(p.female ? -0.06 : 0.04, 0.2)), 0.75, 1.9) / limb;
  size = std::clamp(size, 1.25 / chest, 3.2 / chest);
  if (c.low_voltage) size = std::min(random.uniform(0.32, 0.42) / limb, random.uniform(0.65, 0.85) / chest);
  scale(p.normal, size);
  if (!c.low_voltage) {  // a small QRS is no reason for small T waves, nor a tall one for tall ones
    const double t_size = std::clamp(std::pow(size, -0.5), 0.75, 1.3);
    p.normal.t = t_size * p.normal.t;
  }
  scale(p.premature, std::clamp(size, 0.5, 1.1));
  scale(p.paced, std::clamp(size, 0.5, 1.1));

  const double p_size = random.uniform(0.75, 1.25) * (c.low_voltage ? 0.65 : 1), p_width = random.uniform(0.92, 1.1),
               p_turn = random.normal(0, 6);
  p.p = {{-0.014 * p_width, 0.0165 * p_width, 0.017 * p_width, p_size * turned_frontal({0.050, 0.085, -0.045}, p_turn)},
         {0.014 * p_width, 0.017 * p_width, 0.0165 * p_width, p_size * turned_frontal({0.075, 0.050, 0.030}, p_turn)}};
  p.ectopic_p = {{-0.010, 0.015, 0.015, {0.030, -0.050, -0.050}}, {0.012, 0.015, 0.015, {0.060, -0.045, 0.030}}};

  p.pr = c.long_pr ? random.uniform(0.225, 0.31) : random.uniform(0.135, 0.185);
  p.qtc = c.long_qt ? random.uniform(0.495, 0.55) : random.uniform(0.385, 0.425) + (p.female ? 0.008 : 0.0);
  p.qtc += 0.6 * std::max(0.0, p.normal.end - p.normal.onset - 0.1);  // a wide QRS prolongs QT
  p.rate = random.uniform(62, 92);
  p.u = random.uniform() < 0.4 ? random.uniform(0.5, 1) : 0;
  p.respiration = random.uniform(0.2, 0.3);
  p.atrial_rate = random.uniform(5.2, 7.5);
  p.atrial_size = random.uniform(0.8, 1.5) * (c.low_voltage ? 0.5 : 1);
  return p;
}

}  // namespace anylead::data::detail::synthetic
