// Package words splits the value of a flag into words.
package words

import (
	"errors"
	"strings"
)

// Split splits s at white space. Inside single quotes all bytes are literal.
// Elsewhere, a backslash before a quote or a backslash makes that literal.
// Quotes can make an empty word.
func Split(s string) ([]string, error) {
	var all []string
	var word strings.Builder
	within, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			if within {
				all = append(all, word.String())
			}
			word.Reset()
			within = false
			continue
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '\\' && quote != '\'' && i+1 < len(s) && strings.IndexByte(`"'\`, s[i+1]) >= 0:
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(c)
		}
		within = true
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if within {
		all = append(all, word.String())
	}
	return all, nil
}
