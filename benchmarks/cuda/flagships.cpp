// The flagship kernels at the shapes of the base model, each pass by itself: for a profiler, and for a clock on a GPU.
// flagships --list: name, shape, fewest bytes, matrix FLOPs; flagships NAME [batch]: runs a pass once; flagships --time
// [batch]: name and seconds of each on a GPU. scripts/profile_kernels.py reads these.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/tensor.hpp>
#include <anylead/cuda.hpp>
#include <anylead/cuda/launchers.hpp>

using namespace anylead;

namespace {

/// Numbers on the GPU; they live as long as the program.
template <class T>
T* numbers(Index n, double scale = 1, double mean = 0) {
  static std::uint32_t site = 0;
  const RandomStream stream = {1, 0, ++site};
  std::vector<T> host;
  host.reserve(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) {
    const double v = mean + scale * stream.normal(static_cast<std::uint64_t>(i));
    if constexpr (std::is_integral_v<T>)
      host.push_back(static_cast<T>(v));
    else
      host.push_back(T(static_cast<float>(v)));
  }
  static std::vector<Tensor<T>> kept;
  kept.push_back(Tensor<T>::from_host(host, {n}, cuda::device(0)));
  return kept.back().data();
}

template <class T>
T* on_gpu(const std::vector<T>& host) {
  static std::vector<Tensor<T>> kept;
  kept.push_back(Tensor<T>::from_host(host, {static_cast<Index>(host.size())}, cuda::device(0)));
  return kept.back().data();
}

template <class T>
T* room(Index n) {
  static std::vector<Tensor<T>> kept;
  kept.push_back(Tensor<T>({n}, cuda::device(0)));
  return kept.back().data();
}

template <class T>
Grad<T> grad(Index n) {
  return {room<T>(n), GradMode::overwrite};
}

struct Pass {
  std::string name, shape;
  Index bytes, flops;                              ///< fewest bytes: every input once, every output once; FLOPs of its products
  std::function<std::function<void()>()> prepare;  ///< makes the inputs; what it returns is the pass
};

using Passes = std::vector<Pass>;

const OpTable<float>& table() { return cuda::device(0).backend().ops<float>(); }
Exec exec() { return cuda::device(0).exec(); }

template <class T>
constexpr const char* kType = sizeof(T) == 2 ? "bf16" : "f32";

// Ops in float are entries of the table; those in bf16 have functions of the same name.

template <class T>
void add_attention(Passes& all, Index batch) {
  const AttentionDims d = {batch, 156, 12, 64};
  const Index n = d.batch * d.time * d.heads * d.head_width, rows = d.batch * d.heads * d.time;
  const std::string shape = str("[", batch, ", 156, 12 x 64], dropout 0.1");
  const Dropout dropout = {0.1f, {1, 2, 3}};
  const Index size = sizeof(T);
  all.push_back({str("attention_forward ", kType<T>), shape, 4 * n * size + 4 * rows, 4 * n * d.time, [=] {
                   T *y = room<T>(n), *q = numbers<T>(n), *k = numbers<T>(n), *v = numbers<T>(n);
                   float* logsum = room<float>(rows);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::attention_forward(exec(), d, y, logsum, q, k, v, nullptr, dropout);
                     else
                       table().attention_forward(exec(), d, y, logsum, q, k, v, nullptr, dropout);
                   };
                 }});
  all.push_back({str("attention_backward ", kType<T>), shape, 8 * n * size + 4 * rows, 10 * n * d.time, [=] {
                   T *y = numbers<T>(n), *dy = numbers<T>(n), *q = numbers<T>(n), *k = numbers<T>(n), *v = numbers<T>(n);
                   const float* logsum = numbers<float>(rows, 0, 8);
                   const Grad<T> dq = grad<T>(n), dk = grad<T>(n), dv = grad<T>(n);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::attention_backward(exec(), d, dq, dk, dv, dy, y, logsum, q, k, v, nullptr, dropout);
                     else
                       table().attention_backward(exec(), d, dq, dk, dv, dy, y, logsum, q, k, v, nullptr, dropout);
                   };
                 }});
}

/// A block of the feature extractor.
template <class T>
void add_block(Passes& all, Conv1dDims d, BlockNorm norm, std::string_view title) {
  const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in * d.taps;
  const Index statistics = norm == BlockNorm::group ? d.batch * d.out : 0, affine = norm == BlockNorm::group ? d.out : 0;
  const std::string shape = str("[", d.batch, ", ", d.time, ", ", d.in, "] -> ", d.out, ", ", title);
  const Index size = sizeof(T), products = 2 * ny * d.in * d.taps;
  const bool first = norm == BlockNorm::group;
  all.push_back({str("conv1d_norm_gelu_forward ", title, " ", kType<T>), shape,
                 (nx + 2 * ny) * size + (nw + 2 * statistics + 2 * affine) * 4, products, [=] {
                   T *y = room<T>(ny), *z = room<T>(ny), *x = numbers<T>(nx);
                   float *mean = room<float>(statistics), *rstd = room<float>(statistics), *w = numbers<float>(nw, 0.05);
                   const float *scale = numbers<float>(d.out), *shift = numbers<float>(d.out), *none = nullptr;
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::conv1d_norm_gelu_forward(exec(), d, norm, y, z, mean, rstd, x, w, none, scale, shift, 1e-5f);
                     else
                       table().conv1d_norm_gelu_forward(exec(), d, norm, y, z, mean, rstd, x, w, none, scale, shift, 1e-5f);
                   };
                 }});
  // the signal itself needs no gradient
  all.push_back({str("conv1d_norm_gelu_backward ", title, " ", kType<T>), shape,
                 ((first ? 1 : 2) * nx + 2 * ny) * size + (2 * nw + 2 * statistics + 4 * affine) * 4,
                 (first ? 1 : 2) * products, [=] {
                   T *dz = room<T>(ny), *dy = numbers<T>(ny), *z = numbers<T>(ny), *x = numbers<T>(nx);
                   const float *mean = numbers<float>(statistics, 0), *rstd = numbers<float>(statistics, 0, 1),
                               *w = numbers<float>(nw, 0.05), *scale = numbers<float>(d.out), *shift = numbers<float>(d.out);
                   const Grad<T> dx = first ? Grad<T>{} : grad<T>(nx);
                   const Grad<float> dw = grad<float>(nw), none = {}, dscale = first ? grad<float>(d.out) : none,
                                     dshift = first ? grad<float>(d.out) : none;
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::conv1d_norm_gelu_backward(exec(), d, norm, dx, dw, none, dscale, dshift, dz, dy, x, z, w,
                                                           scale, shift, mean, rstd);
                     else
                       table().conv1d_norm_gelu_backward(exec(), d, norm, dx, dw, none, dscale, dshift, dz, dy, x, z, w, scale,
                                                         shift, mean, rstd);
                   };
                 }});
}

/// The first block out of recorded leads, half of them masked.
void add_lead_block(Passes& all, Index batch) {
  const Conv1dDims d = {batch, 2500, 12, 256, 2, 2, 0, 1};
  const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in * d.taps;
  const Index statistics = d.batch * d.out, products = ny * d.in * d.taps;
  const std::string shape = str("[", batch, ", 12, 2500] -> 256, half of the leads masked");
  const auto half = [=] {
    std::vector<Flag> keep;
    for (Index i = 0; i < batch * 12; ++i) keep.push_back(static_cast<Flag>(i % 2));
    return on_gpu(keep);
  };
  all.push_back({"lead_conv1d_norm_gelu_forward f32", shape, (nx / 2 + ny + nw + 2 * statistics + 2 * d.out) * 4 + batch * 12,
                 products, [=] {
                   float *y = room<float>(ny), *mean = room<float>(statistics), *rstd = room<float>(statistics);
                   const float *x = numbers<float>(nx), *w = numbers<float>(nw, 0.05), *scale = numbers<float>(d.out),
                               *shift = numbers<float>(d.out);
                   const Flag* keep = half();
                   return [=] {
                     table().lead_conv1d_norm_gelu_forward(exec(), d, BlockNorm::group, y, mean, rstd, x, keep, w, nullptr,
                                                           scale, shift, 1e-5f);
                   };
                 }});
  all.push_back({"lead_conv1d_norm_gelu_backward f32", shape,
                 (nx / 2 + ny + 2 * nw + 2 * statistics + 4 * d.out) * 4 + batch * 12, 2 * products, [=] {
                   const float *dy = numbers<float>(ny), *x = numbers<float>(nx), *mean = numbers<float>(statistics, 0),
                               *rstd = numbers<float>(statistics, 0, 1), *w = numbers<float>(nw, 0.05),
                               *scale = numbers<float>(d.out), *shift = numbers<float>(d.out);
                   const Flag* keep = half();
                   const Grad<float> dw = grad<float>(nw), dscale = grad<float>(d.out), dshift = grad<float>(d.out);
                   return [=] {
                     table().lead_conv1d_norm_gelu_backward(exec(), d, BlockNorm::group, dw, {}, dscale, dshift, dy, x, keep, w,
                                                            nullptr, scale, shift, mean, rstd);
                   };
                 }});
}

template <class T>
void add_positional(Passes& all, Index batch) {
  const Conv1dDims d = {batch, 156, 768, 768, 128, 1, 64, 16};
  const Index n = d.batch * d.time * d.in, nw = d.out * d.in / d.groups * d.taps, products = 2 * n * d.in / d.groups * d.taps;
  const std::string shape = str("[", batch, ", 156, 768], 128 taps, 16 groups");
  const Index size = sizeof(T);
  all.push_back({str("conv_positional_forward ", kType<T>), shape, 3 * n * size + (nw + 768) * 4, products, [=] {
                   T *y = room<T>(n), *z = room<T>(n), *x = numbers<T>(n);
                   const float *w = numbers<float>(nw, 0.01), *bias = numbers<float>(768);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::conv_positional_forward(exec(), d, y, z, x, w, bias);
                     else
                       table().conv_positional_forward(exec(), d, y, z, x, w, bias);
                   };
                 }});
  all.push_back({str("conv_positional_backward ", kType<T>), shape, 4 * n * size + (2 * nw + 768) * 4, 2 * products, [=] {
                   T *dz = room<T>(n), *dy = numbers<T>(n), *x = numbers<T>(n), *z = numbers<T>(n);
                   const float* w = numbers<float>(nw, 0.01);
                   const Grad<T> dx = grad<T>(n);
                   const Grad<float> dw = grad<float>(nw), db = grad<float>(768);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::conv_positional_backward(exec(), d, dx, dw, db, dz, dy, x, z, w);
                     else
                       table().conv_positional_backward(exec(), d, dx, dw, db, dz, dy, x, z, w);
                   };
                 }});
}

/// 55 masked frames of each segment against 100 negatives of the same segment.
template <class T>
void add_contrast(Passes& all, Index batch) {
  const Index masked = 55, rows = batch * masked, width = 256, count = 100, codes = 2, size = sizeof(T);
  const ContrastDims d = {rows, rows, width, count};
  const std::string shape = str("[", rows, ", 256], 100 negatives");
  const Index logits = rows * (count + 1);
  const auto negatives = [=] {
    const RandomStream stream = {1, 0, site_key("negatives")};
    std::vector<Index32> rows_of;
    for (Index r = 0; r < rows; ++r)
      for (Index i = 0; i < count; ++i) {
        const Index j = stream.below(static_cast<std::uint64_t>(r * count + i), static_cast<std::uint32_t>(masked - 1));
        rows_of.push_back(static_cast<Index32>(r / masked * masked + (j >= r % masked ? j + 1 : j)));
      }
    return on_gpu(rows_of);
  };
  all.push_back({str("sampled_contrastive_forward ", kType<T>), shape,
                 2 * rows * width * size + (rows * (count + codes) + logits + 1) * 4 + rows,
                 2 * batch * masked * masked * width, [=] {
                   float *loss = room<float>(1), *out = room<float>(logits);
                   Flag* correct = room<Flag>(rows);
                   const T *context = numbers<T>(rows * width), *target = numbers<T>(rows * width);
                   const Index32* of = negatives();
                   std::vector<Index32> code;
                   const RandomStream stream = {1, 0, site_key("codes")};
                   for (Index i = 0; i < rows * codes; ++i)
                     code.push_back(static_cast<Index32>(stream.below(static_cast<std::uint64_t>(i), 320)));
                   const Index32* code_of = on_gpu(code);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::sampled_contrastive_forward(exec(), d, loss, out, correct, context, target, of, code_of, codes,
                                                             0.1f, 1e-8f);
                     else
                       table().sampled_contrastive_forward(exec(), d, loss, out, correct, context, target, of, code_of, codes,
                                                           0.1f, 1e-8f);
                   };
                 }});
  all.push_back(
      {str("sampled_contrastive_backward ", kType<T>), shape, 4 * rows * width * size + (rows * count + logits + 1) * 4,
       6 * batch * masked * masked * width, [=] {
         const Grad<T> dcontext = grad<T>(rows * width), dtarget = grad<T>(rows * width);
         const float *dloss = numbers<float>(1), *in = numbers<float>(logits);
         const T *context = numbers<T>(rows * width), *target = numbers<T>(rows * width);
         const Index32* of = negatives();
         return [=] {
           if constexpr (sizeof(T) == 2)
             cuda_ops::sampled_contrastive_backward(exec(), d, dcontext, dtarget, dloss, in, context, target, of, 0.1f, 1e-8f);
           else
             table().sampled_contrastive_backward(exec(), d, dcontext, dtarget, dloss, in, context, target, of, 0.1f, 1e-8f);
         };
       }});
}

template <class T>
void add_quantizer(Passes& all, Index batch) {
  const QuantizeDims d = {batch * 55, 2, 320, 128};
  const Index logits = d.rows * d.groups * d.entries, vars = d.groups * d.entries * d.width, n = d.rows * d.groups * d.width,
              chosen = d.rows * d.groups, usage = 2 * d.groups * d.entries, size = sizeof(T);
  const std::string shape = str("[", d.rows, ", 2 x 320], codewords of 128");
  all.push_back({str("gumbel_quantize_forward ", kType<T>), shape,
                 (logits + n) * size + (logits + vars + chosen + usage + 2) * 4, 0, [=] {
                   T* y = room<T>(n);
                   float *used = room<float>(usage), *perplexity = room<float>(2);
                   Index32* codes = room<Index32>(chosen);
                   const T* l = numbers<T>(logits);
                   const float *noise = numbers<float>(logits), *v = numbers<float>(vars);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::gumbel_quantize_forward(exec(), d, false, y, codes, used, perplexity, l, noise, v);
                     else
                       table().gumbel_quantize_forward(exec(), d, false, y, codes, used, perplexity, l, noise, v);
                   };
                 }});
  all.push_back({str("gumbel_quantize_backward ", kType<T>), shape,
                 (2 * logits + n) * size + (logits + 2 * vars + chosen + usage + 1) * 4, 2 * logits * d.width, [=] {
                   const Grad<T> dlogits = grad<T>(logits);
                   const Grad<float> dvars = grad<float>(vars);
                   const T *dy = numbers<T>(n), *l = numbers<T>(logits);
                   const float *dperplexity = numbers<float>(1), *noise = numbers<float>(logits), *v = numbers<float>(vars),
                               *used = numbers<float>(usage, 0, 1.0 / 320);
                   std::vector<Index32> code;
                   const RandomStream stream = {1, 0, site_key("chosen")};
                   for (Index i = 0; i < chosen; ++i)
                     code.push_back(static_cast<Index32>(stream.below(static_cast<std::uint64_t>(i), 320)));
                   const Index32* codes = on_gpu(code);
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::gumbel_quantize_backward(exec(), d, false, dlogits, dvars, dy, dperplexity, l, noise, v, codes,
                                                          used, 2.f);
                     else
                       table().gumbel_quantize_backward(exec(), d, false, dlogits, dvars, dy, dperplexity, l, noise, v, codes,
                                                        used, 2.f);
                   };
                 }});
}

template <class T>
void add_pairs(Passes& all, Index n) {
  const Index width = 768, size = sizeof(T);
  const PairDims d = {2 * n, width, n, n};
  const std::string shape = str("[", 2 * n, ", 768]"), kind = str(n, " pairs ", kType<T>);
  struct Rows {
    const Index32 *first, *second, *id;
  };
  const auto rows = [=] {
    std::vector<Index32> first, second, id;
    for (Index r = 0; r < 2 * n; ++r) {
      (r % 2 ? second : first).push_back(static_cast<Index32>(r));
      id.push_back(static_cast<Index32>(r / 2));
    }
    return Rows{on_gpu(first), on_gpu(second), on_gpu(id)};
  };
  all.push_back({str("pair_contrastive_forward ", kind), shape, 2 * n * width * size + (8 * n + 1) * 4, 2 * n * n * width, [=] {
                   float *loss = room<float>(1), *lines = room<float>(4 * n);
                   const T* z = numbers<T>(2 * n * width);
                   const Rows of = rows();
                   return [=] {
                     if constexpr (sizeof(T) == 2)
                       cuda_ops::pair_contrastive_forward(exec(), d, loss, lines, z, of.first, of.second, of.id, 0.1f, 1e-8f);
                     else
                       table().pair_contrastive_forward(exec(), d, loss, lines, z, of.first, of.second, of.id, 0.1f, 1e-8f);
                   };
                 }});
  // the scores are computed again: a third of the products
  all.push_back(
      {str("pair_contrastive_backward ", kind), shape, 4 * n * width * size + (8 * n + 1) * 4, 6 * n * n * width, [=] {
         const Grad<T> dz = grad<T>(2 * n * width);
         const float *dloss = numbers<float>(1), *lines = numbers<float>(4 * n, 0, 1);
         const T* z = numbers<T>(2 * n * width);
         const Rows of = rows();
         return [=] {
           if constexpr (sizeof(T) == 2)
             cuda_ops::pair_contrastive_backward(exec(), d, true, dz, dloss, lines, z, of.first, of.second, of.id, 0.1f, 1e-8f);
           else
             table().pair_contrastive_backward(exec(), d, true, dz, dloss, lines, z, of.first, of.second, of.id, 0.1f, 1e-8f);
         };
       }});
}

void add_masks(Passes& all, Index batch) {
  const LeadMaskDims d = {batch, 12, 2500};
  const Index n = batch * 12 * 2500;
  all.push_back(
      {"lead_mask_forward f32", str("[", batch, ", 12, 2500], half of the leads masked"), (n / 2 + n) * 4 + batch * 12, 0, [=] {
         float* y = room<float>(n);
         const float* x = numbers<float>(n);
         std::vector<Flag> half;
         for (Index i = 0; i < batch * 12; ++i) half.push_back(static_cast<Flag>(i % 2));
         const Flag* keep = on_gpu(half);
         return [=] { table().lead_mask_forward(exec(), d, y, x, keep); };
       }});
  const RowDims rows = {batch * 156, 768};
  all.push_back({"mask_rows_forward f32", str("[", rows.rows, ", 768], every third frame"),
                 (rows.rows * 2 / 3 * 768 + rows.rows * 768 + 768) * 4 + rows.rows, 0, [=] {
                   float* y = room<float>(rows.rows * 768);
                   const float *x = numbers<float>(rows.rows * 768), *row = numbers<float>(768);
                   std::vector<Flag> third;
                   for (Index i = 0; i < rows.rows; ++i) third.push_back(i % 3 == 0);
                   const Flag* mask = on_gpu(third);
                   return [=] { table().mask_rows_forward(exec(), rows, y, x, row, mask); };
                 }});
}

Passes passes(Index batch) {
  Passes all;
  add_lead_block(all, batch);
  add_block<float>(all, {batch, 2500, 12, 256, 2, 2, 0, 1}, BlockNorm::group, "block 1");
  add_block<float>(all, {batch, 1250, 256, 256, 2, 2, 0, 1}, BlockNorm::none, "block 2");
  add_block<bf16>(all, {batch, 2500, 12, 256, 2, 2, 0, 1}, BlockNorm::group, "block 1");
  add_block<bf16>(all, {batch, 1250, 256, 256, 2, 2, 0, 1}, BlockNorm::none, "block 2");
  add_positional<float>(all, batch);
  add_positional<bf16>(all, batch);
  add_attention<float>(all, batch);
  add_attention<bf16>(all, batch);
  add_contrast<float>(all, batch);
  add_contrast<bf16>(all, batch);
  add_quantizer<float>(all, batch);
  add_quantizer<bf16>(all, batch);
  for (const Index pairs : {std::max<Index>(1, batch / 2), Index{512}}) {  // of the batch; those of the publication
    add_pairs<float>(all, pairs);
    add_pairs<bf16>(all, pairs);
  }
  add_masks(all, batch);
  return all;
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Seconds of one call: the median of seven measurements of many calls in a row.
double time(const std::function<void()>& pass) {
  const Device gpu = cuda::device(0);
  const auto run = [&](int calls) {
    const double start = seconds();
    for (int i = 0; i < calls; ++i) pass();
    gpu.backend().synchronize(gpu.exec());
    return (seconds() - start) / calls;
  };
  run(3);
  const int calls = std::clamp(static_cast<int>(0.02 / run(3)), 1, 10000);
  std::vector<double> measured;
  for (int i = 0; i < 7; ++i) measured.push_back(run(calls));
  std::sort(measured.begin(), measured.end());
  return measured[3];
}

int run(const std::string& what, Index batch) {
  for (const Pass& pass : passes(batch)) {
    if (what == "--list")
      std::printf("%s\t%s\t%lld\t%lld\n", pass.name.c_str(), pass.shape.c_str(), static_cast<long long>(pass.bytes),
                  static_cast<long long>(pass.flops));
    else if (what == "--time")
      std::printf("%s\t%.4g\n", pass.name.c_str(), time(pass.prepare()));
    else if (what == pass.name) {
      pass.prepare()();
      const Device gpu = cuda::device(0);
      gpu.backend().synchronize(gpu.exec());
      return 0;
    }
  }
  return what.starts_with("--") ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "--list";
  try {
    return run(what, argc > 2 ? std::atoll(argv[2]) : 2);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "flagships: %s\n", e.what());
    return 1;
  }
}
