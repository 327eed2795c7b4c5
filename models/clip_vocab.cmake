# clip_vocab.cmake - include()d by the root CMakeLists.txt after the layers: turns models/clip_merges.txt (CLIP's merge rules, from
# which the whole built-in vocabulary follows) into a C array of the models layer. Run as a script (cmake -P) it is the
# converter itself: bytes, because a C compiler need not take a string literal this long.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ ${IN} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    file(WRITE ${OUT}
        "#include \"models/clip_tokenizer_private.h\"\n"
        "const unsigned char daub_clip_merges[] = {\n${hex}\n};\n"
        "const size_t daub_clip_merges_size = ${size};\n")
    return()
endif()

set(merges_c ${CMAKE_CURRENT_BINARY_DIR}/clip_merges.c)
add_custom_command(
    OUTPUT  ${merges_c}
    COMMAND ${CMAKE_COMMAND} -DIN=${PROJECT_SOURCE_DIR}/models/clip_merges.txt -DOUT=${merges_c}
            -P ${PROJECT_SOURCE_DIR}/models/clip_vocab.cmake
    DEPENDS ${PROJECT_SOURCE_DIR}/models/clip_merges.txt ${PROJECT_SOURCE_DIR}/models/clip_vocab.cmake
    COMMENT "embedding CLIP's merges"
    VERBATIM)
target_sources(daub_models PRIVATE ${merges_c})
