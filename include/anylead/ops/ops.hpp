// All ops.
#pragma once

#include <anylead/ops/activation.hpp>
#include <anylead/ops/attention.hpp>
#include <anylead/ops/conv1d.hpp>
#include <anylead/ops/dropout.hpp>
#include <anylead/ops/group_norm.hpp>
#include <anylead/ops/gumbel_quantize.hpp>
#include <anylead/ops/layer_norm.hpp>
#include <anylead/ops/linear.hpp>
#include <anylead/ops/masking.hpp>
#include <anylead/ops/pair_contrastive.hpp>
#include <anylead/ops/pooling.hpp>
#include <anylead/ops/sampled_contrastive.hpp>
#include <anylead/ops/scalars.hpp>
#include <anylead/ops/similarity.hpp>
#include <anylead/ops/weight_norm.hpp>
