// Package guide holds the programs of the pages in docs/guide. Its tests run them.
package guide
