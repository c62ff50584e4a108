// The entry point holdfast/adapters/proper-lockfile: the names of proper-lockfile, on the kernel's lock. A program changes one
// import.
//
// To require() it is the function itself, as the original is: Node takes that from the name `module.exports`. Compilers before
// TypeScript 5.6 cannot read such a name, so the types of the package are those of names.ts.
export * from './proper-lockfile/names.js'
export { default, default as 'module.exports' } from './proper-lockfile/names.js'
