// snippets.h - what the documents' blocks of C take from the program round them; tests/docs/snippets.py compiles them behind this.
#ifndef DAUB_TESTS_DOCS_SNIPPETS_H
#define DAUB_TESTS_DOCS_SNIPPETS_H
#include "daub.h"
#include "daub_vulkan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A renderer's.
extern VkInstance instance;
extern VkPhysicalDevice gpu;
extern VkDevice device;
extern VkQueue queue;
extern uint32_t family;
extern VkImage texture;
extern VkSemaphore picture_done;
extern uint64_t n;

// An engine's.
extern void *engine;
void engine_lock_queue(void *engine);
void engine_unlock_queue(void *engine);
void engine_draw_and_submit(void *engine);
void engine_picture_is_there(void *engine);
void engine_say(void *engine, const char *sentence);
void engine_import(void *engine, intptr_t fd, const daub_vulkan_export_info *info);

// daub's, made in an earlier block.
extern daub_device *dev;
extern daub_model *model;

#endif
