// What a column of type json has in it.
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
