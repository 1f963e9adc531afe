#include <cstdio>
#include <vector>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/synthetic.hpp>

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
    const data::Batch& b = loader.next();
    const Ctx ctx = {.seed = 7, .step = step, .training = true};
    const auto keep = ssl::draw_lead_mask(ctx.at("lead_mask").stream(), b.size, b.leads, b.present, {.drop = 0.5});
    ssl::PretrainBatch<float> batch;
    batch.signal = Tensor<float>::from_host(b.signal, {b.size, b.leads, b.samples}, cpu());
    batch.keep = Tensor<Flag>::from_host(keep, {b.size, b.leads}, cpu());
    batch.patient = b.patient;
    batch.segment.assign(b.segment.begin(), b.segment.end());

    Tape<float> tape;  // records what backward() differentiates
    const auto terms = model.forward(ctx, tape.input(batch.signal), batch);
    tape.backward(terms.total);
    adam.step(1e-3, 1 / double(terms.sample_size));
    std::printf("step %2d  loss %.3f\n", int(step), double(item(terms.total)) / double(terms.sample_size));
  }

  std::vector<Flag> lead_one(12);  // an embedding from lead I alone
  lead_one[0] = 1;
  const Var<float> frames = model.encoder().forward({}, Tensor<float>::from_host(segments.signal(0), {1, 12, 2500}, cpu()),
                                                    Tensor<Flag>::from_host(lead_one, {1, 12}, cpu()));
  std::printf("frames %s, embedding %s\n", str(frames.shape()).c_str(), str(ops::mean_pool(frames).shape()).c_str());
}
