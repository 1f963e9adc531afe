#include <cstdlib>
#include <numeric>
#include <thread>

#include <anylead/core/parallel.hpp>
#include <anylead/core/tensor.hpp>

#include "reference/device.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using test::tensor;

TEST_CASE("shapes hold up to five sizes", "[core]") {
  CHECK(Shape{}.count() == 1);
  CHECK(Shape({2, 0, 3}).count() == 0);
  CHECK(Shape({2, 3, 4}).rows() == 6);
  CHECK(Shape{}.rows() == 1);
  CHECK(Shape({2, 3})[-1] == 3);
  CHECK_THROWS_WITH(Shape{}[-1], Catch::Contains("there is no axis -1"));
  CHECK_THROWS_AS(Shape({2, 3})[2], ShapeError);
  CHECK(Shape({2, 3}).with_last(7) == Shape({2, 7}));
  CHECK_FALSE(Shape({2, 3}) == Shape({2, 3, 1}));
  CHECK(str(Shape({2, 156, 768})) == "[2, 156, 768]");
  CHECK(str(Shape{}) == "[]");
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1}), ShapeError);
  CHECK_THROWS_WITH(Shape({2, -1}), Catch::Contains("size -1 of axis 1"));
}

TEST_CASE("tensors share memory when copied, sliced or reshaped; clones do not", "[core]") {
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.f);
  const auto t = tensor(values, {4, 3, 2});
  CHECK(t.to_host() == values);
  const auto s = t.slice(1, 3);
  CHECK(s.shape() == Shape({2, 3, 2}));
  CHECK(s.to_host() == std::vector<float>(values.begin() + 6, values.begin() + 18));
  CHECK(s.slice(1, 2).to_host() == std::vector<float>(values.begin() + 12, values.begin() + 18));
  const auto own = s.clone();
  s.assign(std::vector<float>(12, -1));
  CHECK(t.reshaped({24}).to_host()[6] == -1);
  CHECK(own.to_host()[0] == 6);
  CHECK(t.slice(2, 2).count() == 0);
  CHECK_THROWS_AS(t.slice(3, 5), ShapeError);
  CHECK_THROWS_AS(t.reshaped({5}), ShapeError);
  CHECK_THROWS_AS(tensor(values, {5}), ShapeError);
  CHECK_THROWS_AS(t.assign(std::vector<float>(3)), ShapeError);
  CHECK_FALSE(Tensor<float>().defined());
  CHECK(Tensor<float>().clone().defined() == false);
  CHECK(item(tensor<double>({2.5}, {})) == 2.5);
  CHECK_THROWS_AS(item(t), ShapeError);
  CHECK(tensor<double>({1, 2}, {2}).to(reference::device()).to(cpu()).to_host() == std::vector<double>{1, 2});
}

TEST_CASE("memory is 64-byte aligned, comes back, and is used again", "[core]") {
  MemoryPool& pool = memory_pool(cpu());
  pool.trim();
  const auto before = pool.statistics();
  for (int round = 0; round < 3; ++round)
    for (const Index n : {0, 1, 63, 64, 65, 100, 1000, 4096, 100000}) {
      const Tensor<float> t({n}, cpu());
      CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
      CHECK(t.storage().bytes() >= static_cast<std::size_t>(n) * 4);
      CHECK(t.storage().bytes() <= std::max<std::size_t>(1024, static_cast<std::size_t>(n) * 8));
    }
  const auto after = pool.statistics();
  CHECK(after.used == before.used);
  CHECK(after.allocations - before.allocations <= 6);  // one of each size class
  pool.reset_peak();
  CHECK(pool.statistics().peak == after.used);
  pool.trim();
  CHECK(pool.statistics().reserved == before.reserved);
}

namespace {

/// A device of 100000 bytes.
std::size_t small_device_used = 0;

const Backend kSmallDevice = {
    .name = "small",
    .allocate = [](const Exec&, std::size_t bytes) -> void* {
      ANYLEAD_CHECK(small_device_used + bytes <= 100000, DeviceError, "small", "out of memory: asked for ", bytes, " bytes");
      small_device_used += bytes;
      return std::malloc(bytes);
    },
    .release =
        [](const Exec&, void* data, std::size_t bytes) {
          small_device_used -= bytes;
          std::free(data);
        },
    .copy_from_host = nullptr,
    .copy_to_host = nullptr,
    .copy = nullptr,
    .synchronize = nullptr,
    .pool = [](const Exec&) -> MemoryPool& {
      static MemoryPool* pool = new MemoryPool;  // never destroyed: tensors may live longer
      return *pool;
    },
    .ops_float = {},
    .ops_double = {},
};

}  // namespace

TEST_CASE("when a device is full, free blocks of other sizes go back before a tensor is refused", "[core]") {
  const Device device(&kSmallDevice, 0, nullptr);
  { const Tensor<Flag> t({60000}, device); }
  CHECK(small_device_used >= 60000);
  const Tensor<Flag> larger({90000}, device);
  CHECK(small_device_used < 100000);
  CHECK_THROWS_WITH(Tensor<Flag>({50000}, device), Catch::Contains("out of memory: asked for ") &&
                                                       Catch::Contains(str("; tensors hold ", small_device_used, " bytes")));
  CHECK(larger.count() == 90000);
}

TEST_CASE("storage is shared between threads without losing blocks", "[core]") {
  const auto before = memory_pool(cpu()).statistics().used;
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i)
    workers.emplace_back([] {
      for (Index n = 1; n < 400; ++n) {
        const Tensor<float> t({n * 17}, cpu());
        const Tensor<float> copy = t;
        t.data()[0] = float(n);
        if (copy.data()[0] != float(n)) std::abort();
      }
    });
  for (auto& w : workers) w.join();
  CHECK(memory_pool(cpu()).statistics().used == before);
}

TEST_CASE("headroom reserves for what may come", "[core]") {
  const Tensor<float> plain({1000}, cpu());
  {
    const Headroom headroom(3);
    const Tensor<float> t({1000}, cpu());
    CHECK(t.storage().bytes() >= 12000);
    CHECK(t.count() == 1000);
    CHECK(Tensor<float>::like(plain).storage().bytes() < 12000);  // the reserve of the other
    CHECK(t.clone().storage().bytes() >= 12000);
  }
  CHECK(Headroom::factor() == 1);
}

TEST_CASE("parallel_for calls each piece once, whatever the number of threads", "[core]") {
  const int before = threads();
  for (const int n : {1, 2, 3, 8}) {
    set_threads(n);
    CHECK(threads() == n);
    for (const Index items : {0, 1, 7, 1000})
      for (const Index grain : {0, 1, 3, 5000}) {
        std::vector<int> calls(static_cast<std::size_t>(items));
        std::atomic<Index> pieces{0};
        parallel_for(items, grain, [&](Index begin, Index end) {
          ++pieces;
          for (Index i = begin; i < end; ++i) {
            ++calls[static_cast<std::size_t>(i)];
            parallel_for(1, 1, [&](Index, Index) {});  // nested: runs here
          }
        });
        CHECK(std::count(calls.begin(), calls.end(), 1) == items);
        const Index g = std::max<Index>(1, grain);
        CHECK(pieces == (items + g - 1) / g);
      }
  }
  CHECK_THROWS_AS(set_threads(0), OptionError);
  set_threads(before);
}

TEST_CASE("parallel_for may be called from several threads at once", "[core]") {
  std::atomic<Index> total{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&] {
      for (int k = 0; k < 50; ++k) parallel_for(100, 1, [&](Index begin, Index end) { total += end - begin; });
    });
  for (auto& c : callers) c.join();
  CHECK(total == 3 * 50 * 100);
}

TEST_CASE("a device that was never chosen is reported", "[core]") {
  CHECK_THROWS_WITH(Tensor<float>({2}, Device()), Catch::Contains("none was chosen"));
  CHECK(str(cpu()) == "cpu:0");
  CHECK(str(Device()) == "no device");
  CHECK_FALSE(cpu() == reference::device());
}
