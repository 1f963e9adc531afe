// The bodies of the io layer, once.
#include <anylead/io.hpp>

#include <anylead/io/array.ipp>
#include <anylead/io/atomic_file.ipp>
#include <anylead/io/bytes.ipp>
#include <anylead/io/safetensors.ipp>
