#pragma once

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/data/loader.hpp>

namespace anylead::data {

namespace detail {

/// Fisher and Yates.
inline void shuffle(std::vector<Index>& values, RandomStream stream) {
  for (std::size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[stream.below(i, static_cast<std::uint32_t>(i))]);
}

/// Which items make up which batch. A function of (options, epoch).
class BatchOrder {
 public:
  BatchOrder(Index items, Index per_batch, const Loader::Options& options)
      : per_batch_(per_batch), seed_(options.seed), shuffle_(options.shuffle), frozen_(options.frozen_batches) {
    batches_ = options.drop_last ? items / per_batch : (items + per_batch - 1) / per_batch;
    items_.resize(static_cast<std::size_t>(items));
    numbers_.resize(static_cast<std::size_t>(batches_));
    if (shuffle_ && frozen_) {
      std::iota(items_.begin(), items_.end(), Index{0});
      data::detail::shuffle(items_, {seed_, 0, site_key("data.loader.members")});
    }
  }

  Index batches() const { return batches_; }

  /// The items of a batch; valid until the next call.
  std::span<const Index> batch(Index epoch, Index position) {
    if (epoch != epoch_) prepare(epoch);
    const Index begin = numbers_[position] * per_batch_;
    return {items_.data() + begin, static_cast<std::size_t>(std::min(per_batch_, static_cast<Index>(items_.size()) - begin))};
  }

 private:
  void prepare(Index epoch) {
    std::iota(numbers_.begin(), numbers_.end(), Index{0});
    if (!shuffle_ || !frozen_) std::iota(items_.begin(), items_.end(), Index{0});
    if (shuffle_) {
      const RandomStream stream{seed_, static_cast<std::uint64_t>(epoch), site_key("data.loader.order")};
      data::detail::shuffle(frozen_ ? numbers_ : items_, stream);
    }
    epoch_ = epoch;
  }

  Index per_batch_, batches_;
  std::uint64_t seed_;
  bool shuffle_, frozen_;
  Index epoch_ = -1;
  std::vector<Index> items_;    // in the order of the epoch (or, with frozen batches, of all epochs)
  std::vector<Index> numbers_;  // [batches] which batch comes when
};

}  // namespace detail

// Batches are counted through all epochs: batch g is number g % batches of epoch g / batches, and lies in slot g % slots. A
// thread takes the next number, copies the items' numbers under the lock and fills the slot without it. A slot is free when the
// batch in it has been handed out and the next one asked for.
struct Loader::Worker {
  struct Slot {
    Batch batch;
    std::exception_ptr error;
    Index ready = -1;  // the batch that it holds
  };

  Worker(const SegmentCache& c, const Selection& s, const Options& o)
      : cache(c), selection(s), options(o), order(s.items(), std::max<Index>(1, o.batch / s.per_item), o) {
    slots.resize(static_cast<std::size_t>(std::max<Index>(1, o.prefetch + 1)));
    view = {nullptr, nullptr, cache.leads(), cache.samples(), cache.rate_hz(), limb_leads(LeadOrder(cache.lead_names()))};
    if (o.prefetch > 0) {
      try {
        for (Index i = 0; i < std::min(o.threads, o.prefetch); ++i) threads.emplace_back([this] { run(); });
      } catch (...) {  // the system has no thread left: those that run must end before their data goes
        stop();
        throw;
      }
    }
  }
  ~Worker() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (auto& thread : threads) thread.join();
    threads.clear();
  }

  // Writes the numbers of batch g into its slot.
  void plan(Index g, Batch& batch) {
    batch.epoch = g / order.batches();
    batch.position = g % order.batches();
    batch.number.clear();
    for (const Index item : order.batch(batch.epoch, batch.position)) {
      const auto segments = selection.item(item);
      batch.number.insert(batch.number.end(), segments.begin(), segments.end());
    }
  }

  void fill(Batch& batch, Augmenter& augmenter) const {
    const Index size = static_cast<Index>(batch.number.size()), values = cache.leads() * cache.samples();
    batch.size = size;
    batch.leads = cache.leads();
    batch.samples = cache.samples();
    batch.signal.resize(static_cast<std::size_t>(size * values));
    batch.present.resize(static_cast<std::size_t>(size * cache.leads()));
    for (auto* list : {&batch.patient, &batch.record, &batch.segment}) list->resize(static_cast<std::size_t>(size));
    for (const Index s : batch.number) cache.will_need(s);
    for (Index b = 0; b < size; ++b) {
      const Index s = batch.number[b];
      const auto signal = cache.signal(s);
      const auto present = cache.present(s);
      std::copy(signal.begin(), signal.end(), batch.signal.begin() + b * values);
      std::copy(present.begin(), present.end(), batch.present.begin() + b * cache.leads());
      batch.record[b] = cache.record_of(s);
      batch.patient[b] = cache.records()[batch.record[b]].patient;
      batch.segment[b] = b % selection.per_item;
      if (!augmenter.empty()) {
        SegmentView segment = view;
        segment.signal = batch.signal.data() + b * values;
        segment.present = batch.present.data() + b * cache.leads();
        augmenter(segment, options.seed, static_cast<std::uint64_t>(batch.epoch), s);
      }
    }
  }

  void run() {
    Augmenter augmenter(options.augmentations);
    std::unique_lock lock(mutex);
    for (;;) {
      // The batch handed out last is still in use: its slot is the one before `wanted`.
      wake.wait(lock, [this] { return stopping || claimed < wanted + static_cast<Index>(slots.size()) - 1; });
      if (stopping) return;
      const Index g = claimed++;
      Slot& slot = slots[static_cast<std::size_t>(g % static_cast<Index>(slots.size()))];
      slot.error = nullptr;
      ++filling;
      try {
        plan(g, slot.batch);
        lock.unlock();
        fill(slot.batch, augmenter);
        lock.lock();
      } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        slot.error = std::current_exception();
      }
      --filling;
      slot.ready = g;
      done.notify_all();
    }
  }

  const Batch& next() {
    if (threads.empty()) {
      Slot& slot = slots[0];
      plan(wanted, slot.batch);
      fill(slot.batch, own_augmenter);
      ++wanted;
      return slot.batch;
    }
    std::unique_lock lock(mutex);
    const Index g = wanted;
    Slot& slot = slots[static_cast<std::size_t>(g % static_cast<Index>(slots.size()))];
    done.wait(lock, [&] { return slot.ready == g; });
    if (slot.error) std::rethrow_exception(slot.error);
    ++wanted;
    lock.unlock();
    wake.notify_all();
    return slot.batch;
  }

  void restore(Index g) {
    std::unique_lock lock(mutex);
    claimed = wanted + static_cast<Index>(slots.size());  // nobody takes another number
    done.wait(lock, [this] { return filling == 0; });
    for (Slot& slot : slots) slot.ready = -1;
    claimed = wanted = g;
    lock.unlock();
    wake.notify_all();
  }

  const SegmentCache cache;
  const Selection selection;
  const Options options;
  SegmentView view = {};
  Augmenter own_augmenter{options.augmentations};

  std::mutex mutex;
  std::condition_variable wake, done;
  detail::BatchOrder order;
  std::vector<Slot> slots;
  Index claimed = 0;  // the next number to be taken
  Index wanted = 0;   // the next number to be handed out
  Index filling = 0;  // slots being filled
  bool stopping = false;
  std::vector<std::thread> threads;
};

ANYLEAD_INLINE Loader::Loader(const SegmentCache& cache, const Selection& selection, const Options& options) {
  ANYLEAD_CHECK((selection.per_item == 1 || selection.per_item == 2) && selection.items() <= Index{0xFFFFFFFF} &&
                    selection.segments.size() % static_cast<std::size_t>(selection.per_item) == 0,
                OptionError, "loader", "expected up to 2^32 - 1 items of one or two segments, found ",
                selection.segments.size(), " segments in items of ", selection.per_item);
  ANYLEAD_CHECK(options.batch >= 1 && options.batch % selection.per_item == 0, OptionError, "loader",
                "expected a batch of a multiple of ", selection.per_item, " segments, found ", options.batch);
  ANYLEAD_CHECK(options.prefetch >= 0 && options.prefetch <= 1024 && options.threads >= 1 && options.threads <= 1024,
                OptionError, "loader", "expected to prefetch 0 to 1024 batches with 1 to 1024 threads, found ",
                options.prefetch, " and ", options.threads);
  const Index items = selection.items(), needed = options.drop_last ? options.batch / selection.per_item : 1;
  ANYLEAD_CHECK(items >= needed, OptionError, "loader", "expected at least ", needed,
                selection.per_item == 2 ? " pairs" : " segments", " for a batch, found ", items, " in ", cache.path(), " (",
                cache.report(), ")");
  worker_ = std::make_unique<Worker>(cache, selection, options);
}
ANYLEAD_INLINE Loader::Loader(Loader&&) noexcept = default;
ANYLEAD_INLINE Loader& Loader::operator=(Loader&&) noexcept = default;
ANYLEAD_INLINE Loader::~Loader() = default;

ANYLEAD_INLINE Index Loader::batches_per_epoch() const { return worker_->order.batches(); }
ANYLEAD_INLINE const Batch& Loader::next() { return worker_->next(); }

ANYLEAD_INLINE LoaderState Loader::state() const {
  const Index batches = worker_->order.batches();
  return {worker_->wanted / batches, worker_->wanted % batches};
}

ANYLEAD_INLINE void Loader::restore(const LoaderState& state) {
  const Index batches = worker_->order.batches();
  ANYLEAD_CHECK(state.epoch >= 0 && state.position >= 0 && state.position < batches, OptionError, "loader", "epoch ",
                state.epoch, ", batch ", state.position, " does not exist; an epoch has ", batches, " batches");
  worker_->restore(state.epoch * batches + state.position);
}

}  // namespace anylead::data
