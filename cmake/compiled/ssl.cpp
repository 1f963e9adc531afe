// The bodies of the self-supervised objectives that are no templates, once.
#include <anylead/ssl/span_mask.hpp>

#include <anylead/ssl/span_mask.ipp>
