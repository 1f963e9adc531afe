#include <omp.h>

#include <memory>
#include <unordered_map>

#include <dnnl.hpp>

#include <anylead/core/parallel.hpp>

#include "gemm/peers.hpp"

namespace anylead::bench {
namespace {

using dnnl::memory;

/// A product with its factors, each copied to the layout or the type that the product wants, before (B of `packed`) or in it.
struct Multiplication {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul matmul;
  memory a, b, c, own_a, own_b;
  dnnl::reorder copy_a, copy_b;
  bool copies_a, copies_b;

  Multiplication(const Product<float>& p, memory::data_type type, bool packed) {
    const auto strides = [](Index rows, Index cols, bool transposed) {
      return transposed ? memory::dims{1, rows} : memory::dims{cols, 1};
    };
    const memory::desc given_a({p.m, p.k}, memory::data_type::f32, strides(p.m, p.k, p.transpose_a));
    const memory::desc given_b({p.k, p.n}, memory::data_type::f32, strides(p.k, p.n, p.transpose_b));
    const memory::desc result({p.m, p.n}, memory::data_type::f32, memory::format_tag::ab);
    const bool rounds = type != memory::data_type::f32;
    const auto wanted = [&](const memory::desc& given, bool any) {
      return any ? memory::desc(given.dims(), type, memory::format_tag::any) : given;
    };
    const dnnl::matmul::primitive_desc plan(
        dnnl::matmul::desc(wanted(given_a, rounds), wanted(given_b, rounds || packed), result), engine);
    matmul = dnnl::matmul(plan);
    a = memory(given_a, engine, const_cast<float*>(p.a));  // oneDNN has no memory that it only reads
    b = memory(given_b, engine, const_cast<float*>(p.b));
    c = memory(result, engine, p.c);
    copies_a = plan.src_desc() != given_a;
    copies_b = plan.weights_desc() != given_b;
    own_a = copies_a ? memory(plan.src_desc(), engine) : a;
    own_b = copies_b ? memory(plan.weights_desc(), engine) : b;
    if (copies_a) copy_a = dnnl::reorder(a, own_a);
    if (copies_b) copy_b = dnnl::reorder(b, own_b);
    if (packed && copies_b) {
      copy_b.execute(stream, b, own_b);
      stream.wait();
      copies_b = false;
    }
  }

  void run() {
    if (copies_a) copy_a.execute(stream, a, own_a);
    if (copies_b) copy_b.execute(stream, b, own_b);
    matmul.execute(stream, {{DNNL_ARG_SRC, own_a}, {DNNL_ARG_WEIGHTS, own_b}, {DNNL_ARG_DST, c}});
    stream.wait();
  }
};

Way<float> way(const char* name, memory::data_type type, bool packed) {
  const auto prepare = [=](const Product<float>& p) -> std::function<void()> {
    omp_set_num_threads(threads());
    return [m = std::make_shared<Multiplication>(p, type, packed)] { m->run(); };
  };
  return {name, prepare, type == memory::data_type::bf16, packed};
}

}  // namespace

std::vector<Way<float>> onednn_ways() {
  using type = memory::data_type;
  return {way("onednn", type::f32, false), way("onednn_packed", type::f32, true), way("onednn_bf16", type::bf16, false),
          way("onednn_bf16_packed", type::bf16, true)};
}

}  // namespace anylead::bench
