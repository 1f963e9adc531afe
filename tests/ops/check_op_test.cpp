// The harness finds what it is for: each test breaks one promise.
#include "support/check_op.hpp"

#include "cases/elementwise.hpp"

using namespace anylead;
using Catch::Contains;

namespace {

/// y = x and dx = x, done wrong in one way.
enum class Fault { none, behind, before, input, incomplete, wrong, skipped, not_added };

test::OpCase copy(Fault fault) {
  test::OpCase c("copy", "n=17");
  c.normal("x", 17).output("y", 17).gradient("dx", 17).gradient("other", 1);
  return c.runs([fault]<Real T>(const OpTable<T>&, const Exec&, const test::Bound<T>& b) {
    T* y = b.real("y");
    for (Index i = 0; i < 17; ++i) y[i] = b.real("x")[i];
    const Grad<T> dx = b.grad("dx");
    for (Index i = 0; i < 17 && dx; ++i)
      dx.data[i] = (dx.accumulates() && fault != Fault::not_added ? dx.data[i] : T(0)) + b.real("x")[i];
    if (b.grad("other")) b.real("other")[0] = b.grad("other").accumulates() ? b.real("other")[0] + 1 : T(1);
    if (fault == Fault::behind) y[17] = 1;
    if (fault == Fault::before) y[-1] = 1;
    if (fault == Fault::input) b.real("x")[3] += 1;
    if (fault == Fault::incomplete) y[16] = test::poison<T>();
    if (fault == Fault::wrong) y[5] += T(0.001);
    if (fault == Fault::skipped && !dx && dx.data) dx.data[0] = 0;
  });
}

/// What the harness says of the faulty call against the right one, over all variants.
template <Real T>
std::string verdict(Fault fault) {
  const test::OpCase right = copy(Fault::none), faulty = copy(fault);
  try {
    for (const auto& v : test::detail::variants<T>(right)) {
      const auto got = test::Runner<T>(faulty, cpu()).run(v);
      const std::string bad =
          test::detail::difference<T>(right, v, got, test::Runner<double>(right, reference::device()).run(v));
      if (!bad.empty()) return bad;
    }
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEMPLATE_TEST_CASE("check_op finds each breach of an op's contract", "[ops]", float, double) {
  using T = TestType;
  CHECK(verdict<T>(Fault::none).empty());
  CHECK_THAT(verdict<T>(Fault::behind), Contains("y: something beside the buffer was written"));
  CHECK_THAT(verdict<T>(Fault::before), Contains("y: something beside the buffer was written"));
  CHECK_THAT(verdict<T>(Fault::input), Contains("x: an input was written"));
  CHECK_THAT(verdict<T>(Fault::incomplete), Contains("y[16] of 17 is nan"));
  CHECK_THAT(verdict<T>(Fault::wrong), Contains("y[5] of 17 is "));
  CHECK_THAT(verdict<T>(Fault::skipped), Contains("dx: a skipped gradient was written"));
  CHECK_THAT(verdict<T>(Fault::not_added), Contains("dx[0] of 17 is "));
}

TEST_CASE("values of cases do not lie on aligned addresses", "[ops]") {
  const test::Fenced<float> buffer({1, 2, 3}, cpu());
  CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 4);
  CHECK(buffer.values() == std::vector<float>{1, 2, 3});
  CHECK(buffer.intact());
}

TEST_CASE("every entry of the table has a reference", "[ops]") {
  // an OpTable is nothing but function pointers
  constexpr std::size_t entries = sizeof(OpTable<double>) / sizeof(void (*)());
  const auto filled = [](OpTable<double> table) {
    const OpTable<double>& full = cpu().backend().ops<double>();
    const auto may_lack = [&](auto... entry) {  // all of them together
      if ((!(table.*entry) && ...)) ((table.*entry = full.*entry), ...);
    };
    using Table = OpTable<double>;
    may_lack(&Table::linear_prepared_size, &Table::linear_prepare, &Table::linear_prepared_forward);
    may_lack(&Table::conv_positional_prepared_size, &Table::conv_positional_prepare, &Table::conv_positional_prepared_forward);
    void (*pointers[entries])();
    std::memcpy(pointers, &table, sizeof table);
    return static_cast<std::size_t>(std::count_if(pointers, pointers + entries, [](auto p) { return p != nullptr; }));
  };
  CHECK(filled(reference::table()) == entries);
  CHECK(filled(cpu().backend().ops<double>()) == entries);
  CHECK(filled(test::test_device().backend().ops<double>()) == entries);
}
