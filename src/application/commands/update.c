// SPDX-License-Identifier: MIT
// update: the fields that the mask names, all or none of them (google.protobuf.FieldMask; paths as in the proto).
#include "lumin/application/fields.h"
#include "lumin/application/tokens.h"
#include "lumin/user/v1/commands.pb-c.h"

#include <stddef.h>

typedef Lumin__User__V1__Update update_message;
typedef Lumin__User__V1__PrivacySettings settings_message;

// A path of the mask: from which member of the message, to which of the fields.
struct mask_path {
  const char *path;
  size_t from, to;
};

#define TEXT_PATH(name)                                                                                                \
  { #name, offsetof(update_message, name), offsetof(struct fields, name) }
static const struct mask_path texts[] = {
    TEXT_PATH(first_name),    TEXT_PATH(last_name), TEXT_PATH(email),      TEXT_PATH(phone),
    TEXT_PATH(language_code), TEXT_PATH(bio),       TEXT_PATH(birth_date), TEXT_PATH(avatar_url),
};
#define SETTING_PATH(name)                                                                                             \
  { "privacy_settings." #name, offsetof(settings_message, name), offsetof(settings_message, name) }
static const struct mask_path settings[] = {
    SETTING_PATH(email), SETTING_PATH(phone),  SETTING_PATH(birth_date),
    SETTING_PATH(bio),   SETTING_PATH(avatar), SETTING_PATH(profile_views),
};

static const char allowed[] =
    "paths of first_name, last_name, email, phone, language_code, bio, birth_date, avatar_url, privacy_settings";

static const struct mask_path *path_find(const struct mask_path *paths, size_t count, struct span path) {
  for (size_t i = 0; i < count; i++) {
    if (span_equal(path, span_from_text(paths[i].path))) {
      return &paths[i];
    }
  }
  return NULL;
}

// Takes one path of the mask over into the fields; false where it is none.
static bool path_take(const update_message *update, struct span path, settings_message *chosen, struct fields *fields) {
  const struct mask_path *text = path_find(texts, sizeof texts / sizeof texts[0], path);
  if (text != NULL) {
    *(const char **)(void *)((char *)fields + text->to) =
        *(const char *const *)(const void *)((const char *)update + text->from);
    return true;
  }
  const struct mask_path *setting = path_find(settings, sizeof settings / sizeof settings[0], path);
  bool all = span_equal(path, SPAN_LITERAL("privacy_settings"));
  if (setting == NULL && !all) {
    return false;
  }
  fields->privacy_settings = chosen;
  if (update->privacy_settings != NULL) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
      if (all || setting == &settings[i]) {
        memcpy((char *)chosen + settings[i].to, (const char *)update->privacy_settings + settings[i].from,
               sizeof chosen->email);
      }
    }
  }
  return true;
}

// The path is named where it looks like a field, so that the sender finds its mistake; other bytes are not given back.
static enum lumin_status refuse_path(struct decision *decision, struct span path) {
  struct span rest = path;
  bool fine = path.len > 0;
  while (fine && rest.len > 0) {
    fine = token_is_safe(span_cut(&rest, '.'));
  }
  (void)refuse_field(&decision->refusal, "update_mask", allowed,
                     "the update mask names a field that cannot be changed");
  if (fine && path.len <= 128) {
    struct span field = arena_printf(decision->arena, "update_mask.%.*s", SPAN_ARGS(path));
    if (field.data == NULL) {
      return LUMIN_NO_MEMORY;
    }
    decision->refusal.field = field;
  }
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status command_update(struct decision *decision, const ProtobufCMessage *message) {
  const update_message *update = (const void *)message;
  const Google__Protobuf__FieldMask *mask = update->update_mask;
  settings_message chosen = LUMIN__USER__V1__PRIVACY_SETTINGS__INIT;
  struct fields fields = {0};
  if (mask == NULL || mask->n_paths == 0) {
    return refuse_field(&decision->refusal, "update_mask", allowed, "the update mask names no field");
  }
  for (size_t i = 0; i < mask->n_paths; i++) {
    struct span path = span_from_text(mask->paths[i]);
    if (!path_take(update, path, &chosen, &fields)) {
      return refuse_path(decision, path);
    }
  }
  return fields_change(decision, &fields);
}
