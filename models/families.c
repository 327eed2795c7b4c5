// families.c - the table of model families, most specific first. A new family is a file family_NAME.c and a row here.
#include "models/family.h"

extern const struct daub_family daub_family_sdxl, daub_family_sd2, daub_family_sd1, daub_family_ddpm;

const struct daub_family *const daub_families[] = {
    &daub_family_sdxl, &daub_family_sd2, &daub_family_sd1, &daub_family_ddpm, NULL,
};
