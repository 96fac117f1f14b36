// SPDX-License-Identifier: MIT
// Documents that are taken, as what; and those that are not, with which words. Cases follow protobuf.dev, "ProtoJSON
// Format", and RFC 8259.
#include "json_rig.h"

TestSuite(json_documents, .init = setup, .fini = teardown);

static const ProtobufCMessageDescriptor *const sample = &lumin__sample__sample__descriptor;
static const ProtobufCMessageDescriptor *const maybe = &lumin__sample__maybe__descriptor;
static const ProtobufCMessageDescriptor *const username = &lumin__user__v1__change_username__descriptor;
static const ProtobufCMessageDescriptor *const user = &lumin__user__v1__user__descriptor;

// ---- taken: `text` is the same message as `plain`, whose values are written as plainly as can be

static const struct {
  const ProtobufCMessageDescriptor *type;
  struct span text, plain;
} same[] = {
#define SAME(type, text, plain)                                                                                        \
  { &lumin__##type##__descriptor, SPAN_LITERAL(text), SPAN_LITERAL(plain) }
    // names
    SAME(sample__sample, "{\"anInt32\":1}", "{\"an_int32\":1}"),
    SAME(sample__sample, "{\"\\u0061nInt\\u00332\":1}", "{\"an_int32\":1}"),
    SAME(sample__sample, " \t\r\n{ \"anInt32\" : 1 , \"aBool\":true } ", "{\"an_int32\":1,\"a_bool\":true}"),
    // null is the default
    SAME(sample__sample,
         "{\"anInt32\":null,\"aString\":null,\"aBool\":null,\"inner\":null,\"strings\":null,\"aTime\":null,"
         "\"colour\":null,\"choiceText\":null,\"aMask\":null,\"someBytes\":null,\"choiceNumber\":\"1\"}",
         "{\"choiceNumber\":1}"),
    SAME(sample__maybe, "{\"maybeInt32\":null,\"maybeString\":null,\"maybeInner\":null}", "{}"),
    // whole numbers
    SAME(sample__sample, "{\"anInt32\":\"7\",\"aUint32\":\"7\"}", "{\"anInt32\":7,\"aUint32\":7}"),
    SAME(sample__sample, "{\"anInt32\":7.0,\"aUint32\":70e-1,\"aSint32\":0.7E+1}",
         "{\"anInt32\":7,\"aUint32\":7,\"aSint32\":7}"),
    SAME(sample__sample, "{\"anInt32\":-0,\"aUint64\":0e99999999999999999999}", "{\"anInt32\":0}"),
    SAME(sample__sample, "{\"aUint64\":\"18446744073709551615\"}", "{\"aUint64\":18446744073709551615}"),
    SAME(sample__sample, "{\"aUint64\":1844674407370955161.5e1}", "{\"aUint64\":18446744073709551615}"),
    SAME(sample__sample, "{\"anInt64\":-9223372036854775808}", "{\"anInt64\":\"-9223372036854775808\"}"),
    SAME(sample__sample, "{\"anInt64\":9007199254740993}", "{\"anInt64\":\"9007199254740993\"}"),
    SAME(sample__sample, "{\"anInt32\":-2147483648,\"aSint32\":2147483647}",
         "{\"anInt32\":\"-2147483648\",\"aSint32\":\"2147483647\"}"),
    // other numbers
    SAME(sample__sample, "{\"aDouble\":\"1.5\",\"aFloat\":\"-15e-1\"}", "{\"aDouble\":1.5,\"aFloat\":-1.5}"),
    SAME(sample__sample, "{\"aDouble\":1e-999}", "{\"aDouble\":0}"),
    SAME(sample__sample, "{\"aFloat\":3.4028235e38}", "{\"aFloat\":3.40282347e+38}"),
    // enums
    SAME(sample__sample, "{\"colour\":2}", "{\"colour\":\"COLOUR_GREEN\"}"),
    SAME(sample__sample, "{\"colour\":-3.0,\"colours\":[1,\"COLOUR_RED\"]}",
         "{\"colour\":\"COLOUR_BELOW\",\"colours\":[1,1]}"),
    // text
    SAME(
        sample__sample, "{\"aString\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e5\\ud83d\\ude00\\uD83D\\uDE00\"}",
        "{\"aString\":\"\\u0022\\u005c/\\u0008\\u000c\\u000a\\u000d\\u0009\xc3\xa5\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}"),
    SAME(sample__sample, "{\"aString\":\"\x7f\xc2\x9b\"}", "{\"aString\":\"\\u007f\\u009b\"}"),
    // bytes
    SAME(sample__sample, "{\"someBytes\":\"-_8\"}", "{\"someBytes\":\"+/8=\"}"),
    SAME(sample__sample, "{\"manyBytes\":[\"AA\",\"AAA\",\"AAAA\",\"\"]}",
         "{\"manyBytes\":[\"AA==\",\"AAA=\",\"AAAA\",\"\"]}"),
    // times
    SAME(sample__sample, "{\"aTime\":\"2026-11-21T23:20:14.120+01:00\"}", "{\"aTime\":\"2026-11-21T22:20:14.12Z\"}"),
    SAME(sample__sample, "{\"aTime\":\"1969-12-31T23:59:59.999999999z\"}",
         "{\"aTime\":\"1969-12-31t23:59:59.999999999Z\"}"),
    // masks
    SAME(sample__sample, "{\"aMask\":\"firstName,privacySettings.birthDate\"}",
         "{\"aMask\":\"first_name,privacy_settings.birth_date\"}"),
    // lists and messages
    SAME(sample__sample, "{\"inners\":[{},{\"inner\":{\"count\":1}}],\"strings\":[]}",
         "{\"inners\":[{\"text\":\"\"},{\"inner\":{\"count\":1,\"text\":null}}]}"),
    SAME(user__v1__create, "{\"firstName\":\"Ada\",\"email\":\"ada@example.com\"}",
         "{\"first_name\":\"Ada\",\"last_name\":\"\",\"email\":\"ada@example.com\"}"),
};

static struct span packed(const ProtobufCMessageDescriptor *type, struct span text) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  struct span bytes = SPAN_EMPTY;
  cr_assert_eq(
      codec_decode(codec, &(struct encoded){.type = type, .bytes = text, .json = true}, arena, &message, &refusal),
      LUMIN_OK, "%.*s: %.*s (%.*s)", SPAN_ARGS(text), SPAN_ARGS(refusal.field), SPAN_ARGS(refusal.message));
  cr_assert_eq(codec_pack(message, arena, &bytes), LUMIN_OK);
  return bytes;
}

Test(json_documents, taken_as_the_same) {
  for (size_t i = 0; i < COUNT(same); i++)
    cr_expect(span_equal(packed(same[i].type, same[i].text), packed(same[i].type, same[i].plain)), "case %zu: %.*s", i,
              SPAN_ARGS(same[i].text));
}

// ---- written: canonical JSON of what `text` is

static const struct {
  const ProtobufCMessageDescriptor *type;
  struct span text, canonical;
} writings[] = {
#define WRITES(type, text, canonical)                                                                                  \
  { &lumin__##type##__descriptor, SPAN_LITERAL(text), SPAN_LITERAL(canonical) }
    WRITES(sample__inner, "{}", "{\"text\":\"\",\"count\":0}"),
    WRITES(sample__inner, "{\"inner\":{\"count\":4294967295}}",
           "{\"text\":\"\",\"count\":0,\"inner\":{\"text\":\"\",\"count\":4294967295}}"),
    WRITES(sample__inner,
           "{\"text\":\"\xc3\xa5\\u0001\\n\\u007f\\u0085\\u2028\\u202e\\ufeff\\ud83d\\ude00\\udb40\\udc01/\\\"\"}",
           "{\"text\":\"\xc3\xa5\\u0001\\n\\u007f\\u0085\\u2028\\u202e\\ufeff\xf0\x9f\x98\x80\\udb40\\udc01/"
           "\\\"\",\"count\":0}"),
    WRITES(sample__maybe, "{}", "{}"),
    WRITES(sample__maybe,
           "{\"maybeInt32\":0,\"maybeUint64\":0,\"maybeBool\":false,\"maybeString\":\"\",\"maybeBytes\":\"\","
           "\"maybeSize\":0,\"maybeDouble\":0,\"maybeInner\":{}}",
           "{\"maybeInt32\":0,\"maybeUint64\":\"0\",\"maybeBool\":false,\"maybeString\":\"\",\"maybeBytes\":\"\","
           "\"maybeSize\":\"SIZE_UNSPECIFIED\",\"maybeDouble\":0,\"maybeInner\":{}}"),
    WRITES(
        sample__sample,
        "{\"aDouble\":0.1,\"aFloat\":0.1,\"anInt64\":-1,\"aUint64\":1,\"aFixed64\":2,\"aBool\":true,\"colour\":2,"
        "\"someBytes\":\"/w\",\"aTime\":\"2026-11-21T22:20:14Z\",\"aMask\":\"first_name,a.b_c\",\"choiceText\":\"\","
        "\"times\":[\"2026-11-21T22:20:14.1Z\",\"2026-11-21T22:20:14.1234Z\",\"2026-11-21T22:20:14.1234567Z\"],"
        "\"doubles\":[\"NaN\",\"Infinity\",\"-Infinity\",-0,1e300]}",
        "{\"aDouble\":0.1,\"aFloat\":0.1,\"anInt32\":0,\"anInt64\":\"-1\",\"aUint32\":0,\"aUint64\":\"1\",\"aSint32\":"
        "0,"
        "\"aSint64\":\"0\",\"aFixed32\":0,\"aFixed64\":\"2\",\"aSfixed32\":0,\"aSfixed64\":\"0\",\"aBool\":true,"
        "\"aString\":\"\",\"someBytes\":\"/w==\",\"colour\":\"COLOUR_GREEN\",\"aTime\":\"2026-11-21T22:20:14Z\","
        "\"aMask\":\"firstName,a.bC\",\"doubles\":[\"NaN\",\"Infinity\",\"-Infinity\",-0,1e+300],\"int32s\":[],"
        "\"uint64s\":[],\"bools\":[],\"strings\":[],\"manyBytes\":[],\"colours\":[],\"inners\":[],"
        "\"times\":[\"2026-11-21T22:20:14.100Z\",\"2026-11-21T22:20:14.123400Z\",\"2026-11-21T22:20:14.123456700Z\"],"
        "\"masks\":[],\"floats\":[],\"choiceText\":\"\"}"),
    WRITES(user__v1__error, "{\"reason\":1,\"field\":\"email\",\"currentVersion\":3}",
           "{\"reason\":\"REASON_INVALID_ARGUMENT\",\"message\":\"\",\"field\":\"email\",\"allowed\":\"\","
           "\"currentStatus\":\"USER_STATUS_UNSPECIFIED\",\"currentVersion\":\"3\"}"),
};

Test(json_documents, written) {
  for (size_t i = 0; i < COUNT(writings); i++) {
    struct span text = SPAN_EMPTY, bytes = packed(writings[i].type, writings[i].text);
    cr_assert_eq(codec_convert_json(writings[i].type, bytes, arena, &text), LUMIN_OK, "case %zu", i);
    cr_expect(span_equal(text, writings[i].canonical), "case %zu: %.*s", i, SPAN_ARGS(text));
  }
}

// A number that this version has no name for, from a newer service.
Test(json_documents, unknown_enum_written_as_number) {
  Lumin__User__V1__User message = LUMIN__USER__V1__USER__INIT;
  struct span text = SPAN_EMPTY;
  message.status = (Lumin__User__V1__UserStatus)77;
  cr_assert_eq(codec_encode_json(&message.base, arena, &text), LUMIN_OK);
  cr_expect(strstr(text.data, "\"status\":77,") != NULL, "%s", text.data);
}

static const struct {
  int64_t seconds;
  int32_t nanos;
} no_times[] = {{0, -1}, {0, 1000000000}, {9300000000, 0}, {-9300000000, 0}, {INT64_MAX, 0}, {INT64_MIN, 0}};

Test(json_documents, no_json_of_it) {
  Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
  char *paths[] = {NULL};
  static const char *const no_paths[] = {"", ".a", "a.", "a..b", "A", "aB", "1a", "a,b", "a b", "_a", "a\x01"};
  Lumin__Sample__Sample message = LUMIN__SAMPLE__SAMPLE__INIT;
  struct span text = SPAN_EMPTY;
  message.a_time = &time;
  for (size_t i = 0; i < COUNT(no_times); i++) {
    time.seconds = no_times[i].seconds;
    time.nanos = no_times[i].nanos;
    cr_expect_eq(codec_encode_json(&message.base, arena, &text), LUMIN_INVALID_ARGUMENT, "time %zu", i);
  }
  message.a_time = NULL;
  message.a_mask = &mask;
  mask.n_paths = 1;
  mask.paths = paths;
  for (size_t i = 0; i < COUNT(no_paths); i++) {
    paths[0] = (char *)(uintptr_t)no_paths[i];
    cr_expect_eq(codec_encode_json(&message.base, arena, &text), LUMIN_INVALID_ARGUMENT, "path %zu", i);
  }
  message.a_mask = NULL;
  message.a_string = (char *)(uintptr_t) "\xc3";
  cr_expect_eq(codec_encode_json(&message.base, arena, &text), LUMIN_INVALID_ARGUMENT);
  cr_expect_null(text.data);
}

// ---- refused

#define I32 "a whole number, -2147483648 to 2147483647"
#define U32 "a whole number, 0 to 4294967295"
#define I64 "a whole number, -9223372036854775808 to 9223372036854775807, as a number or a string"
#define U64 "a whole number, 0 to 18446744073709551615, as a number or a string"
#define FLOAT "a number of 32 bits, \"NaN\", \"Infinity\" or \"-Infinity\""
#define DOUBLE "a number of 64 bits, \"NaN\", \"Infinity\" or \"-Infinity\""
#define COLOURS "COLOUR_BELOW, COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_GREEN"
#define TIME "a time as in RFC 3339, of the years 1678 to 2262: \"2026-11-21T22:20:14.123Z\""
#define MASK "names of fields, separated by commas: \"firstName,privacySettings.email\""
#define LIST "a list: [] or [value, value]"
#define SOUND "UTF-8 text without NUL bytes"
#define OBJECT "a JSON object"
#define GRAMMAR "one JSON object (RFC 8259): no comments, no commas too many"
#define ONCE "the field once"

static const char *const value_message = "the field takes no such value";
static const char *const text_message = "the text is not UTF-8 or holds a NUL byte";
static const char *const twice_message = "the field is given more than once";

static const struct {
  const char *body, *allowed, *field; // {"<field>":<body>}
} values[] = {
    {"true", I32, "an_int32"},
    {"[]", I32, "an_int32"},
    {"{}", I32, "an_int32"},
    {"\"\"", I32, "an_int32"},
    {"\" 1\"", I32, "an_int32"},
    {"\"1 \"", I32, "an_int32"},
    {"\"+1\"", I32, "an_int32"},
    {"\"0x1\"", I32, "an_int32"},
    {"\"01\"", I32, "an_int32"},
    {"\"1,5\"", I32, "an_int32"},
    {"\"NaN\"", I32, "an_int32"},
    {"1.5", I32, "an_int32"},
    {"15e-1", I32, "an_int32"},
    {"2147483648", I32, "an_int32"},
    {"-2147483649", I32, "a_sint32"},
    {"1e10", I32, "a_sfixed32"},
    {"1e99999999999999999999", I32, "an_int32"},
    {"1e-99999999999999999999", I32, "an_int32"},
    {"-1", U32, "a_uint32"},
    {"4294967296", U32, "a_fixed32"},
    {"9223372036854775808", I64, "an_int64"},
    {"\"-9223372036854775809\"", I64, "a_sint64"},
    {"18446744073709551616", U64, "a_uint64"},
    {"\"-1\"", U64, "a_fixed64"},
    {"0.1", U64, "a_uint64"},
    {"18446744073709551616", U64, "a_uint64"},
    {"1e39", FLOAT, "a_float"},
    {"\"inf\"", FLOAT, "a_float"},
    {"1e309", DOUBLE, "a_double"},
    {"\"nan\"", DOUBLE, "a_double"},
    {"\"1e\"", DOUBLE, "a_double"},
    {"false", DOUBLE, "a_double"},
    {"1", "true or false", "a_bool"},
    {"\"true\"", "true or false", "a_bool"},
    {"True", "true or false", "a_bool"},
    {"1", "a text", "a_string"},
    {"true", "a text", "a_string"},
    {"{}", "a text", "a_string"},
    {"[\"a\"]", "a text", "a_string"},
    {"1", "base64 in a string", "some_bytes"},
    {"\"A\"", "base64 in a string", "some_bytes"},
    {"\"AA=\"", "base64 in a string", "some_bytes"},
    {"\"AAAA=\"", "base64 in a string", "some_bytes"},
    {"\"A===\"", "base64 in a string", "some_bytes"},
    {"\"AB\"", "base64 in a string", "some_bytes"},
    {"\"AAB=\"", "base64 in a string", "some_bytes"},
    {"\"AA A\"", "base64 in a string", "some_bytes"},
    {"\"AA==AA==\"", "base64 in a string", "some_bytes"},
    {"\"colour_red\"", COLOURS, "colour"},
    {"\"RED\"", COLOURS, "colour"},
    {"\"1\"", COLOURS, "colour"},
    {"3", COLOURS, "colour"},
    {"0.5", COLOURS, "colour"},
    {"4294967297", COLOURS, "colour"},
    {"true", COLOURS, "colour"},
    {"1", TIME, "a_time"},
    {"{\"seconds\":1}", TIME, "a_time"},
    {"\"\"", TIME, "a_time"},
    {"\"2026-11-21\"", TIME, "a_time"},
    {"\"2026-02-29T00:00:00Z\"", TIME, "a_time"},
    {"\"2026-11-21T22:20:14\"", TIME, "a_time"},
    {"\"2026-11-21T22:20:14.1234567890Z\"", TIME, "a_time"},
    {"\"9999-12-31T23:59:59Z\"", TIME, "a_time"},
    {"[]", MASK, "a_mask"},
    {"{\"paths\":[]}", MASK, "a_mask"},
    {"\",\"", MASK, "a_mask"},
    {"\"a,\"", MASK, "a_mask"},
    {"\"a.\"", MASK, "a_mask"},
    {"\".a\"", MASK, "a_mask"},
    {"\"a..b\"", MASK, "a_mask"},
    {"\"A\"", MASK, "a_mask"},
    {"\"a, b\"", MASK, "a_mask"},
    {"\"a\\u00e5\"", MASK, "a_mask"},
    {"1", OBJECT, "inner"},
    {"[]", OBJECT, "inner"},
    {"\"{}\"", OBJECT, "inner"},
    {"{}", LIST, "strings"},
    {"\"a\"", LIST, "strings"},
    {"{\"0\":{}}", LIST, "inners"},
};

static void expect_refused(const ProtobufCMessageDescriptor *type, struct span text, const struct refusal *wanted) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  cr_assert_eq(
      codec_decode(codec, &(struct encoded){.type = type, .bytes = text, .json = true}, arena, &message, &refusal),
      LUMIN_INVALID_ARGUMENT, "%.*s", SPAN_ARGS(text));
  cr_expect_null(message);
  cr_expect_eq(refusal.reason, LUMIN_INVALID_ARGUMENT);
  cr_expect(span_equal(refusal.field, wanted->field), "%.*s: %.*s", SPAN_ARGS(text), SPAN_ARGS(refusal.field));
  cr_expect(span_equal(refusal.allowed, wanted->allowed), "%.*s: %.*s", SPAN_ARGS(text), SPAN_ARGS(refusal.allowed));
  cr_expect(span_equal(refusal.message, wanted->message), "%.*s: %.*s", SPAN_ARGS(text), SPAN_ARGS(refusal.message));
}

Test(json_documents, values_refused) {
  for (size_t i = 0; i < COUNT(values); i++) {
    struct span text = arena_printf(arena, "{\"%s\":%s}", values[i].field, values[i].body);
    expect_refused(sample, text,
                   &(struct refusal){.field = span_from_text(values[i].field),
                                     .allowed = span_from_text(values[i].allowed),
                                     .message = span_from_text(value_message)});
  }
}

#define INNER_FIELDS "text, count, inner"
#define BROKEN(text, at)                                                                                               \
  { SPAN_LITERAL(text), "payload", GRAMMAR, "the payload is no JSON from byte " at " on" }

static const struct {
  struct span text;
  const char *field, *allowed, *message;
} documents[] = {
    // no object
    {SPAN_LITERAL(""), "payload", "a JSON object: {} where no field is set", "the payload is empty"},
    {SPAN_LITERAL(" \n"), "payload", "a JSON object: {} where no field is set", "the payload is empty"},
    {SPAN_LITERAL("[]"), "payload", OBJECT, value_message},
    {SPAN_LITERAL("null"), "payload", OBJECT, value_message},
    {SPAN_LITERAL("\"a\""), "payload", OBJECT, value_message},
    {SPAN_LITERAL("\xef\xbb\xbf{}"), "payload", OBJECT, value_message},
    {SPAN_LITERAL("\0"), "payload", OBJECT, value_message},
    // broken
    BROKEN("{", "1 of 1"),
    BROKEN("{}{}", "2 of 4"),
    BROKEN("{} x", "3 of 4"),
    BROKEN("{}\0", "2 of 3"),
    BROKEN("{,}", "1 of 3"),
    BROKEN("{\"aBool\"}", "8 of 9"),
    BROKEN("{\"aBool\" true}", "9 of 14"),
    BROKEN("{\"aBool\":true,}", "14 of 15"),
    BROKEN("{\"aBool\":truely}", "13 of 16"),
    BROKEN("{\"aBool\":nullify}", "13 of 17"),
    BROKEN("{aBool:true}", "1 of 12"),
    BROKEN("{'aBool':true}", "1 of 14"),
    BROKEN("{\"aBool\":true", "13 of 13"),
    BROKEN("{\"aBool\":true]", "13 of 14"),
    BROKEN("{/**/}", "1 of 6"),
    BROKEN("{\"anInt32\":01}", "11 of 14"),
    BROKEN("{\"anInt32\":-}", "11 of 13"),
    BROKEN("{\"anInt32\":1.}", "11 of 14"),
    BROKEN("{\"anInt32\":1e}", "11 of 14"),
    BROKEN("{\"anInt32\":1e+}", "11 of 15"),
    BROKEN("{\"anInt32\":1x}", "12 of 14"),
    BROKEN("{\"aString\":\"}", "12 of 13"),
    BROKEN("{\"aString\":\"a\nb\"}", "13 of 17"),
    BROKEN("{\"aString\":\"a\0b\"}", "13 of 17"),
    BROKEN("{\"aString\":\"a\\x\"}", "13 of 17"),
    BROKEN("{\"aString\":\"a\\u12g4\"}", "13 of 21"),
    BROKEN("{\"aString\":\"a\\u123\"}", "13 of 20"),
    BROKEN("{\"strings\":[\"a\" \"b\"]}", "16 of 21"),
    BROKEN("{\"strings\":[\"a\"}", "15 of 16"),
    // text
    {SPAN_LITERAL("{\"aString\":\"\xff\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\xc0\xaf\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\xed\xa0\x80\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\xf4\x90\x80\x80\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"a\\u0000b\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ud800\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ude00\\ud83d\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ud83d\\ud83d\\ude00\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ud83dx\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ud83d\\ue000\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"aString\":\"\\ue000\\udc00\"}"), "a_string", SOUND, text_message},
    {SPAN_LITERAL("{\"strings\":[\"a\",\"\xff\"]}"), "strings[1]", SOUND, text_message},
    {SPAN_LITERAL("{\"\xff\":1}"), "?", SOUND, text_message},
    {SPAN_LITERAL("{\"colour\":\"\\u0000\"}"), "colour", SOUND, text_message},
    // paths
    {SPAN_LITERAL("{\"int32s\":[1,2,null]}"), "int32s[2]", I32, value_message},
    {SPAN_LITERAL("{\"inners\":[{},{\"inner\":{\"count\":-1}}]}"), "inners[1].inner.count", U32, value_message},
    {SPAN_LITERAL("{\"inners\":[{},7]}"), "inners[1]", OBJECT, value_message},
    {SPAN_LITERAL("{\"masks\":[\"a\",\"A\"]}"), "masks[1]", MASK, value_message},
    {SPAN_LITERAL("{\"strings\":[\"a\",]}"), "strings[1]", "a text", value_message},
    // unknown
    {SPAN_LITERAL("{\"inner\":{\"Text\":1}}"), "inner.Text", INNER_FIELDS, "there is no such field"},
    {SPAN_LITERAL("{\"inner\":{\"te xt\":1}}"), "inner.?", INNER_FIELDS, "there is no such field"},
    {SPAN_LITERAL("{\"inners\":[{\"\":null}]}"), "inners[0].?", INNER_FIELDS, "there is no such field"},
    {SPAN_LITERAL("{\"inner\":{\"text\\n\":null}}"), "inner.?", INNER_FIELDS, "there is no such field"},
    // twice
    {SPAN_LITERAL("{\"aBool\":true,\"aBool\":true}"), "a_bool", ONCE, twice_message},
    {SPAN_LITERAL("{\"aBool\":true,\"a_bool\":null}"), "a_bool", ONCE, twice_message},
    {SPAN_LITERAL("{\"a_bool\":null,\"aBool\":1}"), "a_bool", ONCE, twice_message},
    {SPAN_LITERAL("{\"inner\":{\"inner\":{\"count\":1,\"c\\u006funt\":1}}}"), "inner.inner.count", ONCE, twice_message},
    {SPAN_LITERAL("{\"inners\":[{\"text\":\"a\"},{\"text\":\"a\",\"text\":\"b\"}]}"), "inners[1].text", ONCE,
     twice_message},
    {SPAN_LITERAL("{\"choiceText\":\"a\",\"choiceNumber\":1}"), "choice_number",
     "nothing, where another field of its oneof is given", "only one of these fields may be given"},
};

Test(json_documents, refused) {
  for (size_t i = 0; i < COUNT(documents); i++)
    expect_refused(sample, documents[i].text,
                   &(struct refusal){.field = span_from_text(documents[i].field),
                                     .allowed = span_from_text(documents[i].allowed),
                                     .message = span_from_text(documents[i].message)});
}

Test(json_documents, unknown_field_of_a_request) {
  expect_refused(username, SPAN_LITERAL("{\"firstName\":\"Ada\",\"adress\":\"a@example.com\"}"),
                 &(struct refusal){.field = SPAN_LITERAL("adress"),
                                   .allowed = SPAN_LITERAL("userId, firstName, lastName"),
                                   .message = SPAN_LITERAL("there is no such field")});
}

// As deep as eight messages in one another below the request, and no deeper.
Test(json_documents, depth) {
  const char *path = "inner.inner.inner.inner.inner.inner.inner.inner.inner";
  char text[512] = "", closing[64] = "";
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  for (size_t depth = 0; depth <= 9; depth++) {
    struct span whole = arena_printf(arena, "%s{}%s", text, closing);
    enum lumin_status status =
        codec_decode(codec, &(struct encoded){.type = sample, .bytes = whole, .json = true}, arena, &message, &refusal);
    cr_expect_eq(status, depth <= 8 ? LUMIN_OK : LUMIN_INVALID_ARGUMENT, "depth %zu", depth);
    strcat(text, "{\"inner\":");
    strcat(closing, "}");
  }
  cr_expect(span_equal(refusal.field, span_from_text(path)), "%.*s", SPAN_ARGS(refusal.field));
  cr_expect(span_equal(refusal.allowed, SPAN_LITERAL("at most 8 messages in one another")));
}

// Sixteen times the payload limit is all that a message may take.
Test(json_documents, budget) {
  struct codec *small = codec_create(256);
  struct span text =
      SPAN_LITERAL("{\"inners\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
                   "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}");
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  cr_assert_leq(text.len, 256);
  cr_assert_eq(codec_decode(small, &(struct encoded){sample, text, true}, arena, &message, &refusal),
               LUMIN_INVALID_ARGUMENT);
  cr_expect(span_equal(refusal.field, SPAN_LITERAL("payload")));
  cr_expect(span_equal(refusal.allowed, SPAN_LITERAL("a smaller request")));
  cr_expect_leq(arena_used(arena), 16 * 256 + 256); // and the refusal's texts
  codec_destroy(small);
}

// What a refusal leaves as it was.
Test(json_documents, outputs_untouched) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {.reason = LUMIN_DELETED};
  cr_assert_eq(codec_decode(codec, &(struct encoded){.type = maybe, .bytes = SPAN_LITERAL("{}"), .json = true}, arena,
                            &message, &refusal),
               LUMIN_OK);
  cr_expect_eq(refusal.reason, LUMIN_DELETED);
  message = NULL;
  cr_assert_eq(codec_decode(codec, &(struct encoded){.type = user, .bytes = SPAN_LITERAL("{"), .json = true}, arena,
                            &message, &refusal),
               LUMIN_INVALID_ARGUMENT);
  cr_expect_null(message);
}
