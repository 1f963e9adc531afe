// Everything but devices, files and reports: include <anylead/cpu.hpp> or <anylead/cuda.hpp> for a device, <anylead/io.hpp> for
// checkpoints.
#pragma once

#include <anylead/autograd/recompute.hpp>
#include <anylead/autograd/tape.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/nn/init.hpp>
#include <anylead/nn/module.hpp>
#include <anylead/ops/ops.hpp>
#include <anylead/optim/adam.hpp>
#include <anylead/optim/schedule.hpp>
#include <anylead/ssl/lead_mask.hpp>
#include <anylead/ssl/pretrain_model.hpp>
