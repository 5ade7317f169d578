package natsbroker

import (
	"fmt"
	"strings"

	"github.com/wskit/wskit/hub"
)

// ErrTopic is returned for a topic that makes a subject longer than MaxSubject.
// It wraps [hub.ErrTopic].
var ErrTopic error = topicError{}

type topicError struct{}

func (topicError) Error() string { return "natsbroker: topic is too long" }
func (topicError) Unwrap() error { return hub.ErrTopic }

// MaxSubject is the maximum length of the subject of a topic in bytes: NATS
// limits a line of its protocol to 4 KiB. A byte of a topic takes one byte in
// the subject, or three if it must be escaped.
const MaxSubject = 3500

const hexDigits = "0123456789ABCDEF"

// subject returns the subject of a topic or a pattern: its segments become
// tokens. A byte that a subject cannot contain is written as "=" and two
// hexadecimal digits, and an empty segment as "=". Patterns have the same
// wildcards as NATS.
func subject(prefix, topic string) (string, error) {
	b := make([]byte, 0, len(prefix)+len(topic)+16)
	b = append(b, prefix...)
	for rest, more := topic, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		switch {
		case segment == "":
			b = append(b, '=')
		case segment == "*", segment == ">" && !more:
			b = append(b, segment...)
		default:
			b = appendToken(b, segment)
		}
		if more {
			b = append(b, '.')
		}
		if len(b) > MaxSubject {
			return "", fmt.Errorf("%w: %d bytes: its subject exceeds %d bytes", ErrTopic, len(topic), MaxSubject)
		}
	}
	return string(b), nil
}

func appendToken(dst []byte, segment string) []byte {
	for i := range len(segment) {
		switch c := segment[i]; {
		case c <= ' ', c == '.', c == '*', c == '>', c == '=', c == 0x7F:
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// topicOf is the inverse of subject. ok is false for a subject that does not
// belong to a topic.
func topicOf(prefix, subject string) (topic string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return "", false
	}
	if strings.IndexByte(rest, '=') < 0 {
		return rest, true
	}
	b := make([]byte, 0, len(rest))
	for i := 0; i < len(rest); i++ {
		if rest[i] != '=' {
			b = append(b, rest[i])
			continue
		}
		if i+1 == len(rest) || rest[i+1] == '.' {
			continue // an empty segment
		}
		if i+2 >= len(rest) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, rest[i+1]), strings.IndexByte(hexDigits, rest[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	return string(b), true
}
