package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// isTerminal says whether what is written there is read by a person.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
