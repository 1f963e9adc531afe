#include <cstdio>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/train/batch.hpp>

using namespace anylead;

int main() {
  const data::SyntheticCohort records({.patients = 64});                // 192 artificial ECGs; data::RecordFolder reads yours
  const auto segments = data::cached_segments(records, "runs/readme");  // 12 leads x 2500 samples: 5 s at 500 Hz
  data::Loader loader(segments, data::segment_pairs(segments), {.batch = 16});

  ssl::PretrainOptions small;  // W2V + CMSC; the defaults are the base model of the paper
  small.encoder = {.conv = {4, {.channels = 32}}, .layers = 2, .width = 64, .heads = 4, .feed_forward = 256};
  small.w2v.negatives.own = 20;
  ssl::PretrainModel<float> model(small);
  nn::init(model, {.seed = 7, .device = cpu()});
  optim::Adam<float> adam(nn::parameters<float>(model), {});

  for (std::uint64_t step = 0; step < 60; ++step) {
    const Ctx ctx = {.seed = 7, .step = step, .training = true};
    const data::Batch& next = loader.next();
    const auto batch = train::to_device<float>(next, train::draw_leads(ctx, next, {.drop = 0.5}), cpu());
    Tape<float> tape;  // records what backward() differentiates
    const auto terms = model.forward(ctx, tape.input(batch.signal), batch);
    tape.backward(terms.total);
    adam.step(1e-3, 1 / double(terms.sample_size));
    std::printf("step %2d  loss %.3f\n", int(step), double(item(terms.total)) / double(terms.sample_size));
  }
}
