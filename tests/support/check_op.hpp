// One harness for every op on every device.
//
// check_op(case) runs the call in float and in double on each device against the plain loops of tests/reference, and holds the
// op to the contract at the head of core/op_table.hpp: outputs are assigned in full (they start as NaN), nothing beside the
// buffers and no input is written, each gradient is skipped, overwritten or added to by its mode, outputs may be the inputs
// that the contract allows, NaN and infinity go where the formula takes them, and the same call gives the same bits, again and
// with any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <anylead/core/parallel.hpp>

#include "reference/device.hpp"
#include "support/catch.hpp"
#include "support/devices.hpp"
#include "support/fence.hpp"
#include "support/op_case.hpp"
#include "support/tolerance.hpp"

namespace anylead::test {

/// What a variant of the call does with each slot, by number.
struct Variant {
  std::string name;
  std::vector<GradMode> mode;               ///< of gradients
  std::vector<bool> null;                   ///< a skipped gradient has no buffer
  std::vector<int> same_as;                 ///< -1, or the slot whose memory this one is
  std::vector<std::vector<double>> values;  ///< of what is read
};

/// Values of every slot after a call: numbers, flags and indices alike as double (exact).
using Results = std::vector<std::vector<double>>;

namespace detail {

/// The device's table with something to call in every place: an empty entry throws NotImplemented. (An OpTable is nothing but
/// function pointers.)
template <Real T>
OpTable<T> callable(const OpTable<T>& table) {
  constexpr std::size_t entries = sizeof(OpTable<T>) / sizeof(void (*)());
  void (*pointers[entries])();
  std::memcpy(pointers, &table, sizeof table);
  for (auto& p : pointers)
    if (!p) p = [] { throw NotImplemented("not implemented"); };
  OpTable<T> full;
  std::memcpy(&full, pointers, sizeof full);
  return full;
}

}  // namespace detail

/// A case on one device in one number type.
template <Real T>
class Runner {
 public:
  Runner(const OpCase& c, const Device& device) : case_(c), device_(device) {}

  /// @throws Error if something beside the buffers, an input or a skipped gradient changed
  Results run(const Variant& v) const {
    std::vector<Buffer> buffers;
    std::vector<typename Bound<T>::Place> places;
    const auto& slots = case_.slots();
    for (std::size_t i = 0; i < slots.size(); ++i) {
      buffers.push_back(Buffer(slots[i], v.values[i], device_));
      void* data = v.same_as[i] >= 0 ? places[static_cast<std::size_t>(v.same_as[i])].data : buffers.back().data();
      places.push_back({slots[i].name, v.null[i] ? nullptr : data, v.mode[i]});
    }
    case_.call<T>(detail::callable(device_.backend().ops<T>()), device_.exec(), Bound<T>(places));
    Results results;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      ANYLEAD_CHECK(buffers[i].intact(), Error, slots[i].name, "something beside the buffer was written");
      const std::size_t from = v.same_as[i] >= 0 ? static_cast<std::size_t>(v.same_as[i]) : i;
      results.push_back(buffers[from].values());
      const bool shared = std::count(v.same_as.begin(), v.same_as.end(), static_cast<int>(i)) > 0;
      const bool fixed = slots[i].role == Slot::Role::input || slots[i].role == Slot::Role::kept ||
                         (slots[i].role == Slot::Role::gradient && v.mode[i] == GradMode::skip);
      ANYLEAD_CHECK(!fixed || shared || same(results.back(), buffers[i].before()), Error, slots[i].name,
                    slots[i].role == Slot::Role::gradient ? "a skipped gradient was written" : "an input was written");
    }
    return results;
  }

  /// Bit for bit, any NaN being equal to any other.
  static bool same(const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
      return (std::isnan(x) && std::isnan(y)) || (x == y && std::signbit(x) == std::signbit(y));
    });
  }

 private:
  /// One slot's memory: fenced on the device, or plain on the host.
  class Buffer {
   public:
    Buffer(const Slot& slot, const std::vector<double>& values, const Device& device) : type_(slot.type) {
      const bool read = !values.empty() || slot.count == 0;
      const std::size_t n = static_cast<std::size_t>(slot.count);
      if (type_ == Slot::Type::real) real_ = make<T>(values, n, read, device);
      if (type_ == Slot::Type::flag) flag_ = make<Flag>(values, n, read, device);
      if (type_ == Slot::Type::index) index_ = make<Index32>(values, n, read, device);
      if (slot.role == Slot::Role::on_host) host_ = std::make_shared<std::vector<T>>(n, poison<T>());
      before_ = this->values();
    }
    void* data() const {
      if (host_) return host_->data();
      if (real_) return real_->data();
      return flag_ ? static_cast<void*>(flag_->data()) : index_->data();
    }
    std::vector<double> values() const {
      if (host_) return {host_->begin(), host_->end()};
      if (real_) return widen(real_->values());
      return flag_ ? widen(flag_->values()) : widen(index_->values());
    }
    bool intact() const { return (!real_ || real_->intact()) && (!flag_ || flag_->intact()) && (!index_ || index_->intact()); }
    const std::vector<double>& before() const { return before_; }

   private:
    template <class V>
    static std::shared_ptr<Fenced<V>> make(const std::vector<double>& values, std::size_t n, bool read, const Device& device) {
      std::vector<V> v(n, poison<V>());
      for (std::size_t i = 0; i < n && read; ++i) v[i] = static_cast<V>(values[i]);
      return std::make_shared<Fenced<V>>(v, device);
    }
    template <class V>
    static std::vector<double> widen(const std::vector<V>& v) {
      return {v.begin(), v.end()};
    }

    Slot::Type type_;
    std::shared_ptr<Fenced<T>> real_;
    std::shared_ptr<Fenced<Flag>> flag_;
    std::shared_ptr<Fenced<Index32>> index_;
    std::shared_ptr<std::vector<T>> host_;
    std::vector<double> before_;
  };

  const OpCase& case_;
  Device device_;
};

namespace detail {

/// The call as the case describes it, all gradients overwritten; numbers rounded to T.
template <Real T>
Variant plain(const OpCase& c) {
  Variant v{"", {}, {}, {}, {}};
  for (const Slot& s : c.slots()) {
    v.mode.push_back(s.role == Slot::Role::gradient ? GradMode::overwrite : GradMode::skip);
    v.null.push_back(false);
    v.same_as.push_back(-1);
    v.values.push_back(s.values);
    if (s.type == Slot::Type::real)
      for (double& x : v.values.back()) x = double(static_cast<T>(x));
  }
  return v;
}

inline std::size_t slot_number(const OpCase& c, const std::string& name) {
  for (std::size_t i = 0; i < c.slots().size(); ++i)
    if (c.slots()[i].name == name) return i;
  throw Error(str("the case has no buffer ", name));
}

/// All ways in which the gradients can be wanted that matter: together, added to what is there, each alone, all but each.
template <Real T>
std::vector<Variant> variants(const OpCase& c) {
  std::vector<Variant> all = {plain<T>(c)};
  std::vector<std::size_t> gradients;
  for (std::size_t i = 0; i < c.slots().size(); ++i)
    if (c.slots()[i].role == Slot::Role::gradient) gradients.push_back(i);
  const auto accumulate = [&](Variant& v, std::size_t i) {
    v.mode[i] = GradMode::accumulate;
    v.values[i].resize(static_cast<std::size_t>(c.slots()[i].count));
    for (std::size_t k = 0; k < v.values[i].size(); ++k)
      v.values[i][k] = double(static_cast<T>(c.stream("before").normal(k + 1000 * i)));
  };
  if (!gradients.empty()) {
    Variant v = plain<T>(c);
    v.name = ", gradients added";
    for (const std::size_t i : gradients) accumulate(v, i);
    all.push_back(v);
  }
  for (const std::size_t i : gradients) {
    if (gradients.size() < 2) break;
    Variant only = plain<T>(c), others = plain<T>(c);
    only.name = str(", gradient ", c.slots()[i].name, " alone");
    others.name = str(", all gradients but ", c.slots()[i].name, ", added");
    for (const std::size_t k : gradients) {
      if (k != i) accumulate(others, k);
      if (k != i) only.mode[k] = GradMode::skip, only.null[k] = true;
    }
    others.mode[i] = GradMode::skip;
    all.push_back(only);
    all.push_back(others);
  }
  for (const auto& [output, input] : c.aliases()) {
    Variant v = plain<T>(c);
    v.name = str(", ", output, " = ", input);
    v.same_as[slot_number(c, output)] = static_cast<int>(slot_number(c, input));
    all.push_back(v);
  }
  return all;
}

/// "", or where the results differ by more than the tolerance. non_finite: only which values are finite counts.
template <Real T>
std::string difference(const OpCase& c, const Variant& v, const Results& got, const Results& want, bool non_finite = false) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Slot& s = c.slots()[i];
    if (s.role == Slot::Role::scratch || (s.role == Slot::Role::gradient && v.mode[i] == GradMode::skip)) continue;
    if (std::count(v.same_as.begin(), v.same_as.end(), static_cast<int>(i)) > 0) continue;  // compared under its other name
    double largest = s.scale;
    for (const double x : want[i])
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    const double bound = s.type == Slot::Type::real ? tolerance<T>(c.terms()) * largest : 0;
    for (std::size_t k = 0; k < got[i].size(); ++k) {
      const double a = got[i][k], b = want[i][k];
      if (non_finite && s.type != Slot::Type::real) continue;
      const bool fits = non_finite      ? std::isfinite(a) == std::isfinite(b) || (c.spreads() && std::isfinite(b))
                        : std::isnan(b) ? std::isnan(a)
                        : std::isinf(b) ? a == b
                                        : std::abs(a - b) <= bound;
      if (!fits) return str(s.name, "[", k, "] of ", s.count, " is ", a, ", expected ", b, " within ", bound);
    }
  }
  return "";
}

template <Real T>
void check_on(const OpCase& c, const Device& device) {
  const std::string where = str(c.op(), " ", c.what(), ", ", device, sizeof(T) == 4 ? ", float" : ", double");
  const Device oracle = reference::device();
  const int threads_before = threads();
  std::string step;
  try {
    for (const Variant& v : variants<T>(c)) {
      step = v.name;
      const Results want = Runner<double>(c, oracle).run(v);
      const Results got = Runner<T>(c, device).run(v);
      const std::string bad = difference<T>(c, v, got, want);
      if (!bad.empty()) FAIL_CHECK(where << v.name << ": " << bad);
      for (const int n : {1, 2, 3}) {
        set_threads(n);
        const Results again = Runner<T>(c, device).run(v);
        for (std::size_t i = 0; i < got.size(); ++i)
          if (c.slots()[i].role != Slot::Role::scratch && !Runner<T>::same(again[i], got[i]))
            FAIL_CHECK(where << v.name << ": " << c.slots()[i].name << " differs when repeated with " << n << " threads");
      }
      set_threads(threads_before);
    }
    for (std::size_t i = 0; i < c.slots().size(); ++i) {
      if (c.slots()[i].role != Slot::Role::input || c.slots()[i].count == 0) continue;
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        Variant v = plain<T>(c);
        v.values[i][c.stream(c.slots()[i].name).below(1u << 20, static_cast<std::uint32_t>(v.values[i].size()))] = bad;
        step = str(", ", bad, " in ", c.slots()[i].name);
        const std::string wrong = difference<T>(c, v, Runner<T>(c, device).run(v), Runner<double>(c, oracle).run(v), true);
        if (!wrong.empty()) FAIL_CHECK(where << step << ": " << wrong);
      }
    }
    SUCCEED();
  } catch (const NotImplemented&) {
    WARN("skipped: " << c.op() << " is not implemented on " << str(device));
  } catch (const Error& e) {
    FAIL_CHECK(where << step << ": " << e.what());
  }
  set_threads(threads_before);
}

}  // namespace detail

/// @see top of this file
inline void check_op(const OpCase& c) {
  for (const Device& device : present_devices()) {
    detail::check_on<double>(c, device);
    detail::check_on<float>(c, device);
  }
}

inline void check_ops(const std::vector<OpCase>& cases) {
  REQUIRE(!cases.empty());
  for (const OpCase& c : cases) check_op(c);
}

}  // namespace anylead::test
