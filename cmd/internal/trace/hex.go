package trace

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// dumpOffset is how a line of xxd ("00000000: 8105") and of hexdump -C begins
// ("00000000  81 05"), dumpEnd the last line of the latter.
var (
	dumpOffset = regexp.MustCompile(`^[0-9a-fA-F]{6,16}(: |  )`)
	dumpEnd    = regexp.MustCompile(`^[0-9a-fA-F]{6,16}$`)
)

// separators are what may stand between the digits of a byte and those of the next.
var separators = strings.NewReplacer("0x", " ", "0X", " ", `\x`, " ", ",", " ", ":", " ", "-", " ")

// parseHex decodes hexadecimal digits: pairs with or without spaces, commas, colons or
// 0x between them, comments behind "#", and the output of xxd and hexdump -C.
func parseHex(text []byte) ([]byte, error) {
	var data []byte
	dump := false
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for number := 1; lines.Scan(); number++ {
		line, isDump := dumpedBytes(lines.Text())
		if dump && !isDump && dumpEnd.MatchString(line) {
			continue
		}
		dump = isDump
		if !dump {
			line, _, _ = strings.Cut(line, "#")
		}
		digits := strings.Join(strings.Fields(separators.Replace(line)), "")
		p, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("line %d is not hexadecimal: give pairs of digits, or say --format raw or pcap", number)
		}
		data = append(data, p...)
	}
	return data, lines.Err()
}

// dumpedBytes returns the digits of a line of a dump, without offset and text.
func dumpedBytes(line string) (digits string, ok bool) {
	m := dumpOffset.FindStringSubmatch(line)
	if m == nil {
		return line, false
	}
	line = line[len(m[0]):]
	if m[1] == ": " {
		line, _, _ = strings.Cut(line, "  ")
	} else {
		line, _, _ = strings.Cut(line, "|")
	}
	return line, true
}

// looksText reports whether p is text and no opening handshake, so that it can only be
// meant as hexadecimal digits: hardly any frame is without bytes that no text has.
func looksText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c > '~' {
			return false
		}
	}
	return len(bytes.TrimSpace(p)) > 0 && !startsHandshake(p)
}
