// SPDX-License-Identifier: MIT
// Pages of long answers: a limit, and a token that says where the next page begins. A token holds a place in an order
// that writing does not change, and a hash over that place and all that the request asks for: one that was changed, or
// comes from another request, is refused.
#pragma once

#include "lumin/application/query.h"

#define PAGE_LIMIT_DEFAULT 50
#define PAGE_LIMIT_MAX 500

// Fills the plan's page from the request's `limit` and `page_token`; without a token it begins behind `first`. It asks
// for one row more than the limit, which tells whether there is another page.
LUMIN_MUST_USE enum lumin_status page_plan(struct query *query, const ProtobufCMessage *message,
                                           struct page_place first, struct refusal *ret_refusal);

// How many of the rows the reply shows.
size_t page_items(const struct query *query, const struct query_rows *rows);
// The token of what follows behind `last`, in the arena; "" where the page was not filled. NULL where the arena is
// full.
char *page_token(const struct query *query, const struct query_rows *rows, struct page_place last);
