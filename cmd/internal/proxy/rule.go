package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/cmd/internal/words"
	"github.com/wskit/wskit/ws"
)

const ruleHelp = `A rule selects frames and changes them:

  --rule 'SIDE KIND [PATTERN] [#N | /N] ACTION [VALUE]'

  SIDE     the sender: client, server or any
  KIND     text, binary, continuation, ping, pong, close, data, control or any;
           or stream: all bytes after the handshake, for cut and stall
  PATTERN  matches the whole payload, unmasked but not decompressed; * matches any bytes
  #N       only the Nth matching frame of a connection;  /N: every Nth
  ACTION   delay TIME       delay the frame and everything after it
           drop             do not forward the frame
           corrupt [N]      invert the bits of byte N of its payload (default 0)
           duplicate        forward the frame twice
           throttle RATE    forward the frame at this many bytes per second (500, 10k, 2M)
           cut N            forward N bytes of the frame and close the connection
           stall N          forward N bytes of the frame and nothing more

Quote words that contain white space. All rules that match a frame are applied in order.
Of a frame longer than 1 MiB, only the first MiB is matched, and the frame is not
duplicated. On a compressed connection, the pattern matches compressed payload: use
--no-compression to remove the client's offer.`

// The kinds of a rule that are not names of opcodes.
const (
	kindAny     = "any"
	kindData    = "data"
	kindControl = "control"
	kindStream  = "stream"
)

var kinds = []string{"text", "binary", "continuation", "ping", "pong", "close", kindData, kindControl, kindAny, kindStream}

// rule is one --rule.
type rule struct {
	text    string
	senders []trace.Sender
	kind    string
	pattern []string // the parts between the asterisks, nil for any payload
	only    int64    // number of the frame of a connection, 0 for all
	each    int64    // every how many frames, 0 for all
	action  string
	delay   time.Duration
	n       int64 // argument of the action: a byte, or a rate
}

// actions parse the value of an action.
var actions = map[string]func(r *rule, value string) error{
	"delay": func(r *rule, value string) (err error) {
		if r.delay, err = time.ParseDuration(value); err != nil || r.delay < 0 {
			return fmt.Errorf("delay %q: give a time such as 200ms", value)
		}
		return nil
	},
	"drop":      noValue,
	"duplicate": noValue,
	"cut":       byteNumber,
	"stall":     byteNumber,
	"corrupt": func(r *rule, value string) error {
		if value == "" {
			return nil
		}
		return byteNumber(r, value)
	},
	"throttle": func(r *rule, value string) (err error) {
		if r.n, err = parseRate(value); err != nil {
			return fmt.Errorf("throttle %q: give bytes per second, such as 500, 10k or 2M", value)
		}
		return nil
	},
}

func noValue(r *rule, value string) error {
	if value != "" {
		return fmt.Errorf("%s takes no value", r.action)
	}
	return nil
}

func byteNumber(r *rule, value string) (err error) {
	if r.n, err = strconv.ParseInt(value, 10, 62); err != nil || r.n < 0 {
		return fmt.Errorf("%s %q: give a number of bytes", r.action, value)
	}
	return nil
}

func parseRate(s string) (int64, error) {
	factor := int64(1)
	if digits, ok := strings.CutSuffix(s, "k"); ok {
		s, factor = digits, 1000
	} else if digits, ok := strings.CutSuffix(s, "M"); ok {
		s, factor = digits, 1000*1000
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err == nil && n < 1 {
		err = strconv.ErrRange
	}
	return n * factor, err
}

// parseRules parses the rules in the flags.
func parseRules(list []string) ([]*rule, error) {
	var rules []*rule
	for _, text := range list {
		r, err := parseRule(text)
		if err != nil {
			return nil, exit.Usagef("--rule %q: %w", text, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(text string) (*rule, error) {
	fields, err := words.Split(text)
	if err != nil {
		return nil, err
	}
	if len(fields) < 3 {
		return nil, fmt.Errorf("write SIDE KIND ACTION, such as 'server text drop'")
	}
	r := &rule{text: text, kind: fields[1]}
	switch fields[0] {
	case "client":
		r.senders = []trace.Sender{trace.Client}
	case "server":
		r.senders = []trace.Sender{trace.Server}
	case "any":
		r.senders = []trace.Sender{trace.Client, trace.Server}
	default:
		return nil, fmt.Errorf("side %q: use client, server or any", fields[0])
	}
	if !slices.Contains(kinds, r.kind) {
		return nil, fmt.Errorf("kind %q: use one of %s", r.kind, strings.Join(kinds, ", "))
	}
	if fields, err = r.condition(fields[2:]); err != nil {
		return nil, err
	}
	return r, r.act(fields)
}

// condition parses the pattern and the number, and returns the words after
// them.
func (r *rule) condition(fields []string) (rest []string, err error) {
	if _, ok := actions[fields[0]]; !ok && !isNumber(fields[0]) {
		r.pattern, fields = strings.Split(fields[0], "*"), fields[1:]
	}
	if len(fields) == 0 || !isNumber(fields[0]) {
		return fields, nil
	}
	n, err := strconv.ParseInt(fields[0][1:], 10, 62)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: write #N or /N with a number of at least 1", fields[0])
	}
	if fields[0][0] == '#' {
		r.only = n
	} else {
		r.each = n
	}
	return fields[1:], nil
}

func isNumber(word string) bool {
	return len(word) > 1 && (word[0] == '#' || word[0] == '/') && word[1] >= '0' && word[1] <= '9'
}

// act parses the action and its value.
func (r *rule) act(fields []string) error {
	if len(fields) == 0 {
		return fmt.Errorf("action is missing: use delay, drop, corrupt, duplicate, throttle, cut or stall")
	}
	parse, ok := actions[fields[0]]
	if !ok {
		return fmt.Errorf("action %q: use delay, drop, corrupt, duplicate, throttle, cut or stall", fields[0])
	}
	if len(fields) > 2 {
		return fmt.Errorf("unexpected %q: an action has at most one value", fields[2])
	}
	r.action = fields[0]
	if r.kind == kindStream && (r.action != "cut" && r.action != "stall" || r.pattern != nil || r.only+r.each > 0) {
		return fmt.Errorf("stream can only be combined with cut and stall, without pattern and number")
	}
	return parse(r, strings.Join(fields[1:], ""))
}

// matches reports whether the rule selects a frame with this header and
// payload.
func (r *rule) matches(h ws.Header, payload []byte) bool {
	switch r.kind {
	case kindStream:
		return false
	case kindAny:
	case kindData, kindControl:
		if h.OpCode.IsControl() != (r.kind == kindControl) {
			return false
		}
	default:
		if h.OpCode.String() != r.kind {
			return false
		}
	}
	return r.pattern == nil || glob(r.pattern, payload)
}

// glob reports whether p consists of the parts, in order, with anything between
// them.
func glob(parts []string, p []byte) bool {
	if len(parts) == 1 {
		return string(p) == parts[0]
	}
	p, ok := bytes.CutPrefix(p, []byte(parts[0]))
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := bytes.Index(p, []byte(part))
		if i < 0 {
			return false
		}
		p = p[i+len(part):]
	}
	return bytes.HasSuffix(p, []byte(parts[last]))
}
