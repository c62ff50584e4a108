{
  "targets": [
    {
      "target_name": "holdfast",
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "conditions": [
        ["OS=='win'", {
          "sources": ["<!@(node sources.cjs windows)"],
          "msvs_settings": {
            "VCCLCompilerTool": {
              "AdditionalOptions": ["/std:c++17"],
              "ExceptionHandling": 0,
              "RuntimeTypeInfo": "false",
              "WarningLevel": 3
            }
          }
        }, {
          "sources": ["<!@(node sources.cjs posix)"],
          "cflags": ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
          "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
        }],
        ["OS=='linux'", {
          # No C++ library at run time. That none is missing is checked by test/architecture.test.ts.
          "ldflags": ["-nodefaultlibs", "-Wl,--as-needed", "-Wl,--gc-sections"],
          "libraries": ["-lc", "-lpthread", "-ldl", "-lgcc"]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
            "GCC_ENABLE_CPP_RTTI": "NO",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "GCC_TREAT_WARNINGS_AS_ERRORS": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
            # Stripped while it is linked, because it is signed right after; and no C++ library at run time.
            "OTHER_LDFLAGS": ["-nostdlib++", "-Wl,-dead_strip", "-Wl,-S", "-Wl,-x"],
            "WARNING_CFLAGS": ["-Wall", "-Wextra"]
          }
        }]
      ]
    }
  ]
}
