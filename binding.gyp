# For builds in a checkout. What is built, and how, is in native/binding.gyp, which alone is in the package: npm, pnpm and
# Yarn compile every package with a binding.gyp in its root, whatever its "gypfile" says.
{
  "targets": [
    {
      "target_name": "addon",
      "type": "none",
      "dependencies": ["native/binding.gyp:holdfast"]
    }
  ]
}
