// Package marked updates the parts of pages that commands generate. Such a part
// is between the lines <!-- NAME:begin --> and <!-- NAME:end -->.
package marked

import (
	"fmt"
	"os"
	"strings"
)

// Begin returns the line before the part of that name.
func Begin(name string) string { return "<!-- " + name + ":begin -->" }

// End returns the line after the part of that name.
func End(name string) string { return "<!-- " + name + ":end -->" }

// Check returns an error if Update will not find the part.
func Check(file, name string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = replace(file, string(text), name, "")
	return err
}

// Update replaces the part of the file.
func Update(file, name, part string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := replace(file, string(text), name, part)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

// replace returns text with the part of that name replaced.
func replace(file, text, name, part string) (string, error) {
	before, rest, ok := strings.Cut(text, Begin(name))
	old, after, closed := strings.Cut(rest, End(name))
	if !ok || !closed || strings.Contains(old+after, Begin(name)) || strings.Contains(after, End(name)) {
		return "", fmt.Errorf("%s: want one line %q, followed by one line %q", file, Begin(name), End(name))
	}
	return before + Begin(name) + "\n\n" + strings.TrimSpace(part) + "\n\n" + End(name) + after, nil
}
