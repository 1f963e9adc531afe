// Random choices have the distributions of the reference implementation: samples of ours against counts of its.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <anylead/ssl/lead_mask.hpp>
#include <anylead/ssl/span_mask.hpp>

#include "support/catch.hpp"
#include "support/fixtures.hpp"

using namespace anylead;

namespace {

std::vector<double> counts(const Fixture& f, const std::string& name) {
  const auto v = f.arrays.at(name).to_vector<std::int64_t>();
  return {v.begin(), v.end()};
}

double sum(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

/// Two-sample chi-square of two histograms of independent draws: bins with few counts are pooled. Within five deviations of its
/// mean.
void check_same_distribution(std::vector<double> a, std::vector<double> b) {
  const double scale_a = std::sqrt(sum(b) / sum(a)), scale_b = 1 / scale_a;
  double chi = 0, bins = 0, pool_a = 0, pool_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    pool_a += a[i];
    pool_b += b[i];
    if (pool_a + pool_b < 20 && i + 1 < a.size()) continue;
    if (pool_a + pool_b > 0) chi += std::pow(scale_a * pool_a - scale_b * pool_b, 2) / (pool_a + pool_b);
    bins += 1;
    pool_a = pool_b = 0;
  }
  INFO("chi-square " << chi << " of " << bins << " bins");
  CHECK(chi < bins + 5 * std::sqrt(2 * bins));
}

/// Deviation of the difference of two binomial counts of `draws` each, in units of its standard deviation.
double z_of_counts(double a, double b, double draws) {
  const double p = (a + b) / (2 * draws);
  return a == b ? 0 : std::abs(a - b) / std::sqrt(2 * draws * p * (1 - p));
}

double moment(const std::vector<double>& histogram, int order, double centre) {
  double total = 0;
  for (std::size_t i = 0; i < histogram.size(); ++i) total += histogram[i] * std::pow(double(i) - centre, order);
  return total / sum(histogram);
}

double quantile(const std::vector<double>& histogram, double share) {
  double below = 0;
  for (std::size_t i = 0; i < histogram.size(); ++i)
    if ((below += histogram[i]) >= share * sum(histogram)) return double(i);
  return double(histogram.size());
}

}  // namespace

TEST_CASE("time masks have the distribution of the reference's", "[parity]") {
  if (!has_fixture("stats_time_mask")) {
    WARN("skipped: there is no fixture stats_time_mask");
    return;
  }
  const Fixture fixture = load_fixture("stats_time_mask");
  for (const auto& [name, c] : fixture.meta.at("cases").items()) {
    INFO(name);
    const Index batch = c.at("batch"), frames = c.at("frames"), draws = c.at("draws");
    const ssl::SpanMaskOptions options = {
        .probability = c.at("mask_prob"), .length = c.at("mask_length"), .min_spans = c.at("min_masks")};
    const auto lengths = c.at("lengths").is_null() ? std::vector<Index>() : c.at("lengths").get<std::vector<Index>>();

    std::vector<double> masked(static_cast<std::size_t>(frames + 1)), position(static_cast<std::size_t>(batch * frames)),
        run(masked.size());
    double runs = 0, runs_square = 0;  // per draw
    for (Index i = 0; i < draws; ++i) {
      const auto mask =
          ssl::draw_span_mask({1, static_cast<std::uint64_t>(i), site_key(name)}, batch, frames, lengths, options);
      double runs_here = 0;
      for (Index b = 0; b < batch; ++b) {
        Index count = 0, length = 0;
        for (Index t = 0; t <= frames; ++t) {
          const bool on = t < frames && mask[static_cast<std::size_t>(b * frames + t)];
          if (!on && length > 0) {
            run[static_cast<std::size_t>(length)] += 1;
            runs_here += 1;
          }
          length = on ? length + 1 : 0;
          if (!on) continue;
          ++count;
          position[static_cast<std::size_t>(b * frames + t)] += 1;
        }
        if (b == 0) masked[static_cast<std::size_t>(count)] += 1;  // all rows have as many
      }
      runs += runs_here / double(batch);
      runs_square += std::pow(runs_here / double(batch), 2);
    }

    // masked frames per row: mean, spread, quantiles, ends, histogram
    const auto& theirs = c.at("masked_per_row");
    const double mean = moment(masked, 1, 0), deviation = std::sqrt(moment(masked, 2, mean)), n = double(draws);
    const double their_mean = theirs.at("mean"), their_deviation = theirs.at("std");
    CHECK(std::abs(mean - their_mean) < 5 * std::hypot(deviation / std::sqrt(n), double(theirs.at("std_error_of_mean"))));
    CHECK(std::abs(deviation - their_deviation) < 5 * their_deviation * std::sqrt(2 / n));
    const double shares[] = {0.05, 0.25, 0.5, 0.75, 0.95};
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(std::abs(quantile(masked, shares[i]) - double(theirs.at("quantiles_5_25_50_75_95")[i])) <= 1);
    CHECK(std::abs(quantile(masked, 0.5 / n) - double(theirs.at("min"))) < 2 * their_deviation);
    CHECK(std::abs(quantile(masked, 1) - double(theirs.at("max"))) < 2 * their_deviation);
    std::vector<double> their_masked = counts(fixture, "hist.masked." + name);
    const double per_draw = sum(their_masked) / n;
    for (double& v : their_masked) v /= per_draw;  // rows of one draw are no independent samples
    check_same_distribution(masked, their_masked);

    // where: no cell far off; neighbours go together, so the mean square of all cells is judged by spans
    const auto their_position = counts(fixture, "count.position." + name);
    double square = 0, cells = 0;
    for (std::size_t i = 0; i < position.size(); ++i) {
      CHECK((position[i] == 0) == (their_position[i] == 0));
      const double z = z_of_counts(position[i], their_position[i], n);
      CHECK(z < 5.5);
      square += z * z;
      cells += position[i] > 0;
    }
    CHECK(square / cells < 1 + 5 * std::sqrt(2 * 2 * double(options.length) / cells));

    // runs: how many, how long
    const double our_runs = runs / n, error = std::sqrt((runs_square / n - our_runs * our_runs) / n);
    CHECK(std::abs(our_runs - double(c.at("runs_per_row_mean"))) < 5 * std::sqrt(2.0) * error);
    const auto their_run = counts(fixture, "hist.run_length." + name);
    double variation = 0, bins = 0;
    for (std::size_t i = 0; i < run.size(); ++i) {
      variation += std::abs(run[i] / sum(run) - their_run[i] / sum(their_run)) / 2;
      bins += run[i] + their_run[i] > 0;
    }
    CHECK(variation < 3 * std::sqrt(bins / sum(run)));
  }
}

TEST_CASE("lead masks have the distribution of the reference's", "[parity]") {
  if (!has_fixture("stats_lead_mask")) {
    WARN("skipped: there is no fixture stats_lead_mask");
    return;
  }
  const Fixture fixture = load_fixture("stats_lead_mask");
  const double drop = fixture.meta.at("config").at("mask_leads_prob");
  const Index draws = fixture.meta.at("config").at("draws"), leads = 12;
  const auto keep = ssl::draw_lead_mask({1, 0, site_key("leads")}, draws, leads, {}, {.drop = drop});
  std::vector<double> kept(13), lead(12), pair(144);
  for (Index i = 0; i < draws; ++i) {
    const Flag* own = keep.data() + i * leads;
    kept[static_cast<std::size_t>(std::accumulate(own, own + leads, 0))] += 1;
    for (std::size_t a = 0; a < 12; ++a) {
      lead[a] += own[a];
      for (std::size_t b = 0; b < 12; ++b) pair[a * 12 + b] += own[a] && own[b];
    }
  }
  const double n = double(draws), mean = moment(kept, 1, 0), variance = moment(kept, 2, mean);
  const double expected_mean = fixture.meta.at("expected").at("kept_mean"),
               expected_variance = fixture.meta.at("expected").at("kept_var");
  CHECK(std::abs(mean - expected_mean) < 5 * std::sqrt(expected_variance / n));
  CHECK(std::abs(variance - expected_variance) < 5 * expected_variance * std::sqrt(2 / n));
  CHECK(std::abs(kept[0] / n - double(fixture.meta.at("expected").at("all_dropped_probability"))) <
        5 * std::sqrt(kept[0] + 1) / n);
  check_same_distribution(kept, counts(fixture, "hist.kept"));
  const auto their_lead = counts(fixture, "count.kept_per_lead"), their_pair = counts(fixture, "count.kept_pairs");
  for (std::size_t i = 0; i < 12; ++i) CHECK(z_of_counts(lead[i], their_lead[i], n) < 5);
  for (std::size_t i = 0; i < 144; ++i) CHECK(z_of_counts(pair[i], their_pair[i], n) < 5.5);
}
