package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// keep writes the figures to a file in dir, named by date and CPU. It creates
// dir if necessary, and replaces an existing file.
func keep(dir string, rep *report) (file string, err error) {
	text, err := json.MarshalIndent(rep, "", "\t")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file = filepath.Join(dir, rep.Date+"-"+machine(rep.CPU)+".json")
	return file, os.WriteFile(file, append(text, '\n'), 0o644)
}

// machine returns the model of a CPU for a file name. No other data of the
// machine is stored.
func machine(cpu string) string {
	words := strings.FieldsFunc(strings.ToLower(cpu), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if len(words) == 0 {
		return "unknown"
	}
	return strings.Join(words, "-")
}
