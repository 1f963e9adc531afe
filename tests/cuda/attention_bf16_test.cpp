// Attention in bf16 against the reference in double on the same rounded numbers.
#include <cstring>

#include <anylead/core/tensor.hpp>
#include <anylead/cuda/launchers.hpp>

#include "reference/attention.hpp"
#include "support/catch.hpp"
#include "support/devices.hpp"

using namespace anylead;

namespace {

using Numbers = std::vector<double>;

/// Room for bf16 on a device, of a float's type (a Tensor has no bf16), `shift` numbers behind its beginning.
class Halves {
 public:
  Halves(const Numbers& values, Index shift, const Device& device) : count_(values.size()), shift_(shift) {
    std::vector<bf16> bits(2 * ((values.size() + static_cast<std::size_t>(shift)) / 2 + 1));
    for (std::size_t i = 0; i < values.size(); ++i)
      bits[i + static_cast<std::size_t>(shift)] = bf16(static_cast<float>(values[i]));
    std::vector<float> words(bits.size() / 2);
    std::memcpy(words.data(), bits.data(), words.size() * sizeof(float));
    memory_ = Tensor<float>::from_host(words, {static_cast<Index>(words.size())}, device);
  }
  bf16* data() const { return reinterpret_cast<bf16*>(memory_.data()) + shift_; }
  Numbers values() const {
    const std::vector<float> words = memory_.to_host();
    std::vector<bf16> bits(words.size() * 2);
    std::memcpy(static_cast<void*>(bits.data()), words.data(), words.size() * sizeof(float));
    Numbers v;
    for (std::size_t i = 0; i < count_; ++i) v.push_back(double(float(bits[i + static_cast<std::size_t>(shift_)])));
    return v;
  }

 private:
  std::size_t count_;
  Index shift_;
  Tensor<float> memory_;
};

Numbers rounded(std::string_view name, Index n, double deviation = 1) {
  const RandomStream stream = {11, 0, site_key(name)};
  Numbers v;
  for (Index i = 0; i < n; ++i)
    v.push_back(double(float(bf16(static_cast<float>(deviation * stream.normal(static_cast<std::uint64_t>(i)))))));
  return v;
}

/// The largest difference in units of the largest number.
double error(const Numbers& got, const Numbers& want) {
  double largest = 1e-30, worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    worst = std::max(worst, std::isnan(got[i]) ? 1e30 : std::abs(got[i] - want[i]));
  }
  return worst / largest;
}

void check_attention(AttentionDims d, bool padded, float p, GradMode mode, Index shift) {
  INFO("B=" << d.batch << " T=" << d.time << " H=" << d.heads << " D=" << d.head_width << " padded " << padded << " p " << p
            << " added " << (mode == GradMode::accumulate) << " shift " << shift);
  const Device gpu = cuda::device(0);
  const Index n = d.batch * d.time * d.heads * d.head_width, rows = d.batch * d.heads * d.time;
  const Dropout dropout = {p, {3, 5, site_key("attention")}};
  const Numbers q = rounded("q", n, 1.5), k = rounded("k", n, 1.5), v = rounded("v", n), dy = rounded("dy", n),
                before = rounded("before", n);
  std::vector<Flag> pad(static_cast<std::size_t>(d.batch * d.time));
  for (Index i = 0; i < d.batch * d.time && padded; ++i)
    pad[static_cast<std::size_t>(i)] = i / d.time == d.batch - 1 ? true : i % d.time >= (d.time + 1) / 2;
  const auto flags = Tensor<Flag>::from_host(pad, {d.batch * d.time}, gpu);

  Numbers y(q.size()), logsum(static_cast<std::size_t>(rows));
  reference::attention_forward({}, d, y.data(), logsum.data(), q.data(), k.data(), v.data(), padded ? pad.data() : nullptr,
                               dropout);
  const Halves gq(q, shift, gpu), gk(k, shift, gpu), gv(v, shift, gpu), gdy(dy, shift, gpu);
  const Halves gy(Numbers(q.size(), std::nan("")), shift, gpu);
  const auto glogsum = Tensor<float>::from_host(std::vector<float>(logsum.size(), std::nanf("")), {rows}, gpu);
  cuda_ops::attention_forward(gpu.exec(), d, gy.data(), glogsum.data(), gq.data(), gk.data(), gv.data(),
                              padded ? flags.data() : nullptr, dropout);
  const std::vector<float> sums = glogsum.to_host();
  CHECK(error(gy.values(), y) < 1e-2);
  CHECK(error({sums.begin(), sums.end()}, logsum) < 1e-5);

  // the gradient of what forward stored
  y = gy.values();
  Numbers want[3] = {before, before, before};
  const auto to = [&](int i) { return Grad<double>{want[i].data(), mode}; };
  reference::attention_backward({}, d, to(0), to(1), to(2), dy.data(), y.data(), logsum.data(), q.data(), k.data(), v.data(),
                                padded ? pad.data() : nullptr, dropout);
  std::vector<Numbers> first;
  for (int run = 0; run < 2; ++run) {
    const Numbers start = mode == GradMode::accumulate ? before : Numbers(q.size(), std::nan(""));
    const Halves dq(start, shift, gpu), dk(start, shift, gpu), dv(start, shift, gpu);
    cuda_ops::attention_backward(gpu.exec(), d, {dq.data(), mode}, {dk.data(), mode}, {dv.data(), mode}, gdy.data(), gy.data(),
                                 glogsum.data(), gq.data(), gk.data(), gv.data(), padded ? flags.data() : nullptr, dropout);
    const std::vector<Numbers> got = {dq.values(), dk.values(), dv.values()};
    for (std::size_t i = 0; i < 3; ++i) {
      INFO("gradient "
           << "qkv"[i]);
      CHECK(error(got[i], want[i]) < 1e-2);
    }
    if (run == 0) first = got;
    CHECK(got == first);
  }
}

}  // namespace

TEST_CASE("attention in bf16 agrees with its reference, whatever the size", "[cuda]") {
  for (const AttentionDims& d : {AttentionDims{0, 4, 2, 4},
                                 {1, 1, 1, 1},
                                 {2, 7, 1, 5},
                                 {1, 33, 2, 16},
                                 {2, 31, 3, 24},
                                 {1, 156, 2, 64},
                                 {1, 81, 1, 100},
                                 {1, 67, 1, 128}})
    for (const bool padded : {false, true})
      for (const float p : {0.f, 0.25f}) check_attention(d, padded, p, GradMode::overwrite, 0);
}

TEST_CASE("attention in bf16 goes through long segments in parts", "[cuda]") {
  check_attention({1, 345, 1, 16}, false, 0.25f, GradMode::overwrite, 0);
  check_attention({1, 161, 2, 64}, false, 0.f, GradMode::accumulate, 0);
  check_attention({1, 140, 1, 128}, true, 0.25f, GradMode::accumulate, 0);
}

TEST_CASE("attention in bf16 takes arrays at any address and adds to gradients", "[cuda]") {
  check_attention({2, 37, 2, 32}, false, 0.25f, GradMode::accumulate, 0);
  check_attention({2, 37, 2, 32}, false, 0.25f, GradMode::accumulate, 1);
  check_attention({1, 50, 1, 64}, true, 0.f, GradMode::overwrite, 3);
}
