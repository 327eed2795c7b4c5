// noclose.c - linked into the tests of sanitizer builds: libraries stay loaded, so that a leak inside a Vulkan driver or layer is
// reported under the driver's name and tests/lsan.supp can tell it from ours.
__attribute__((visibility("default"))) int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
