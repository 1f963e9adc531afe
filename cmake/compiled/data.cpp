// The bodies of the data layer, once.
#include <anylead/data/augment.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/mapped_file.hpp>
#include <anylead/data/mat4.hpp>
#include <anylead/data/raw_record.hpp>
#include <anylead/data/resample.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/data/segments.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/data/wfdb.hpp>

#include <anylead/data/augment.ipp>
#include <anylead/data/cached_segments.ipp>
#include <anylead/data/loader.ipp>
#include <anylead/data/mapped_file.ipp>
#include <anylead/data/mat4.ipp>
#include <anylead/data/raw_record.ipp>
#include <anylead/data/resample.ipp>
#include <anylead/data/segment_cache.ipp>
#include <anylead/data/segments.ipp>
#include <anylead/data/synthetic.ipp>
#include <anylead/data/wfdb.ipp>
