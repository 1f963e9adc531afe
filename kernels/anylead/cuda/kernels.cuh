// The whole CUDA backend in one file of a program's own: include it in exactly one .cu, link cublasLt and the CUDA runtime.
// (The library anylead::cuda is the same code, compiled once.)
#pragma once

#include <anylead/cuda/architectures.cuh>
#include <anylead/cuda/attention.cuh>
#include <anylead/cuda/attention_bf16.cuh>
#include <anylead/cuda/conv1d.cuh>
#include <anylead/cuda/conv1d_bf16.cuh>
#include <anylead/cuda/conv1d_block.cuh>
#include <anylead/cuda/conv1d_gelu_gradient.cuh>
#include <anylead/cuda/conv_positional.cuh>
#include <anylead/cuda/conv_positional_bf16.cuh>
#include <anylead/cuda/elementwise.cuh>
#include <anylead/cuda/group_norm.cuh>
#include <anylead/cuda/gumbel_quantize.cuh>
#include <anylead/cuda/layer_norm.cuh>
#include <anylead/cuda/lead_conv1d.cuh>
#include <anylead/cuda/linear.cuh>
#include <anylead/cuda/masking.cuh>
#include <anylead/cuda/optimizer_step.cuh>
#include <anylead/cuda/pair_contrastive.cuh>
#include <anylead/cuda/pooling.cuh>
#include <anylead/cuda/rounded_products.cuh>
#include <anylead/cuda/sampled_contrastive.cuh>
#include <anylead/cuda/similarity.cuh>
#include <anylead/cuda/weight_norm.cuh>
// the host's part
#include <anylead/cuda/backend.ipp>
#include <anylead/cuda/gemm.ipp>
#include <anylead/cuda/launch.ipp>
#include <anylead/cuda/memory.ipp>
