// The quantiser with activations in bf16 against the reference in double on the same rounded numbers.
#include <anylead/cuda/launchers.hpp>

#include "reference/gumbel_quantize.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Half;
using test::Whole;

TEST_CASE("the quantiser in bf16 agrees with the reference to a hundredth, whatever the size", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  for (const QuantizeDims& d : {QuantizeDims{0, 2, 3, 4}, {1, 1, 1, 1}, {31, 2, 33, 17}, {70, 1, 320, 64}, {5, 2, 401, 8}})
    for (const bool shared : {false, true})
      for (const bool noisy : {true, false}) {
        INFO("R=" << d.rows << " G=" << d.groups << " V=" << d.entries << " D=" << d.width << " shared " << shared << " noise "
                  << noisy);
        const Index logits = d.rows * d.groups * d.entries, n = d.rows * d.groups * d.width, used = 2 * d.groups * d.entries;
        const Index books = (shared ? 1 : d.groups) * d.entries * d.width;
        const double tau = 2;
        const Half x("logits", logits), dy("dy", n), got_y(n), got_dx(logits), before("before", logits);
        const Whole noise("noise", logits), vars("vars", books, true), dperplexity("dperplexity", 1), got_usage(used),
            got_perplexity(2), got_dvars(books);
        std::vector<double> y(n), usage(used), perplexity(2), dx(logits), dvars(books);
        std::vector<Index32> codes(d.rows * d.groups, -1);
        const double* const gumbel = noisy ? noise.values() : nullptr;
        const float* const gpu_noise = noisy ? noise.data() : nullptr;
        reference::gumbel_quantize_forward({}, d, shared, y.data(), codes.data(), usage.data(), perplexity.data(), x.values(),
                                           gumbel, vars.values());
        const auto got_codes = Tensor<Index32>::from_host(std::vector<Index32>(codes.size(), -1),
                                                          {static_cast<Index>(codes.size())}, cuda::device(0));
        cuda_ops::gumbel_quantize_forward(exec, d, shared, got_y.data(), got_codes.data(), got_usage.data(),
                                          got_perplexity.data(), x.data(), gpu_noise, vars.data());
        CHECK(got_codes.to_host() == codes);
        CHECK(got_y.read() == y);  // a row of rounded numbers, as it is
        CHECK(test::distance(got_usage.read(), usage) <= 1e-5);
        CHECK(test::distance(got_perplexity.read(), perplexity) <= 1e-5);

        for (const bool through_choice : {true, false}) {
          reference::gumbel_quantize_backward({}, d, shared, reference::whole(dx), reference::whole(dvars),
                                              through_choice ? dy.values() : nullptr, dperplexity.values(), x.values(), gumbel,
                                              vars.values(), codes.data(), usage.data(), tau);
          const auto backward = [&](Grad<bf16> to, Grad<float> to_vars) {
            cuda_ops::gumbel_quantize_backward(exec, d, shared, to, to_vars, through_choice ? dy.data() : nullptr,
                                               dperplexity.data(), x.data(), gpu_noise, vars.data(), got_codes.data(),
                                               got_usage.data(), float(tau));
          };
          backward(got_dx.grad(), got_dvars.grad());
          CHECK(got_dx.agrees(dx));
          CHECK(got_dvars.agrees(dvars));
          if (!through_choice) continue;
          backward({before.data(), GradMode::accumulate}, {});
          for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += before.values()[i];
          CHECK(before.agrees(dx));
        }
      }
}
