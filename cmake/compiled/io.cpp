// The bodies of the io layer, once.
#include <anylead/io.hpp>
#include <anylead/io/pickle.hpp>
#include <anylead/io/zip.hpp>

#include <anylead/io/array.ipp>
#include <anylead/io/bytes.ipp>
#include <anylead/io/checkpoint.ipp>
#include <anylead/io/json_lines.ipp>
#include <anylead/io/pickle.ipp>
#include <anylead/io/run_lock.ipp>
#include <anylead/io/safetensors.ipp>
#include <anylead/io/torch_pickle.ipp>
#include <anylead/io/zip.ipp>
