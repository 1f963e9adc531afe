// Every op against its composed version (composed/table.hpp), at the sizes of a training step of the named models. Rows are
// named OP/MODEL/WAY, as in attention_forward/base/fused. The two ways are compared before they are timed.
//
// Limits: of_peak_% for ops with products, of the multiply-adds that registers allow; of_copy_% for the others, of a copy that
// moves as many bytes as the op has to. Both are measured in the same run, on as many threads.
#include <benchmark/benchmark.h>

#include <memory>
#include <set>

#include "ops/case.hpp"
#include "ops/composed/table.hpp"
#include "support/peak.hpp"
#include "support/program.hpp"

namespace {

using namespace anylead;
using namespace anylead::bench;

/// The case whose rows run; one is in memory at a time. Throws unless the two ways agree.
const Case& described(const Op& op, const Sizes& sizes) {
  static std::unique_ptr<Case> current;
  static std::string name;
  static std::set<std::string> compared;
  if (const std::string wanted = str(op.name, '/', sizes.name); wanted != name) {
    name.clear();
    current.reset();
    current = std::make_unique<Case>();
    op.describe(*current, sizes);
    if (!compared.contains(wanted)) {
      const std::string difference = current->difference(cpu().backend().ops<float>(), composed::table());
      ANYLEAD_CHECK(difference.empty(), FormatError, wanted, "fused and composed differ: ", difference);
      compared.insert(wanted);
    }
    name = wanted;
  }
  return *current;
}

void time(benchmark::State& state, const Op& op, const Sizes& sizes, const Table& way) try {
  const Case& c = described(op, sizes);
  const bool products = c.flops() > 0;
  const double work = products ? c.flops() : c.bytes(), limit = products ? multiply_add_peak<float>() : copy_rate(work);
  for (auto _ : state) {
    c.run(way);
    benchmark::ClobberMemory();
  }
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters[products ? "GFLOP/s" : "GB/s"] = benchmark::Counter(work * 1e-9, rate);
  state.counters[products ? "of_peak_%" : "of_copy_%"] = benchmark::Counter(work * 100 / limit, rate);
} catch (const std::exception& e) {
  fail(state, e.what());
}

}  // namespace

int main(int argc, char** argv) {
  Index batch = 8, samples = 2500;
  return run_program(argc, argv, "Times every op against its composed version.",
                     {{"batch", &batch, "segments"}, {"samples", &samples, "samples of a segment"}}, {"of_peak_%", "of_copy_%"},
                     [&](const AddRow& add) {
                       const Table &own = cpu().backend().ops<float>(), &other = composed::table();
                       const Sizes models[] = {sizes_of("base", batch, samples), sizes_of("small", batch, samples)};
                       for (const auto& family : {elementwise_ops(), row_ops(), norm_ops(), product_ops(), convolution_ops(),
                                                  attention_ops(), objective_ops(), optimizer_ops()})
                         for (const Op& op : family)
                           for (const Sizes& sizes : models) {
                             const auto row = [=](const Table* way) {
                               return [=](benchmark::State& state) { time(state, op, sizes, *way); };
                             };
                             add(str(op.name, '/', sizes.name, "/fused"), row(&own));
                             add(str(op.name, '/', sizes.name, "/composed"), row(&other));
                           }
                     });
}
