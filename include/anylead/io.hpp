// Files of arrays, checkpoints and logs. Needs nlohmann-json.
#pragma once

#include <anylead/io/array.hpp>
#include <anylead/io/bytes.hpp>
#include <anylead/io/checkpoint.hpp>
#include <anylead/io/json_lines.hpp>
#include <anylead/io/run_lock.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/torch_pickle.hpp>
