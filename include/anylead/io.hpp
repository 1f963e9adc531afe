// Files of arrays and checkpoints. Needs nlohmann-json.
#pragma once

#include <anylead/io/array.hpp>
#include <anylead/io/atomic_file.hpp>
#include <anylead/io/bytes.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/torch_pickle.hpp>
