package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
)

// scriptHelp describes the language of scripts.
const scriptHelp = `Scripts: --script FILE has the steps of each connection, which repeats them until the load
ends. -n is then the number of script runs. The file is YAML:
  steps:
    - connect                          # the first step; allowed again after close
    - send: '{"join":"{{csv room}}"}'  # a template
    - expect: '"ok":true'              # waits for a message that contains this template
    - repeat: 10
      steps:
        - send: tick {{seq}}
        - expect: {regexp: '^tock \d+$', within: 500ms}
        - wait: 100ms                  # or {min: 50ms, max: 150ms}: a random time
    - close: 1000                      # or close, for code 1000; implied at the end
Latency is measured from a send to the message of the next expect. Messages that match no
expect are counted as unexpected.`

// maxScript is the maximum size of a script in bytes, and deepest the maximum
// nesting of repeat.
const (
	maxScript = 1 << 20
	deepest   = 16
)

// step is a step of a script.
type step struct {
	does string // a key of stepKinds
	line int    // in the file

	text     textTemplate   // send, expect
	regexp   *regexp.Regexp // expect, instead of text
	within   time.Duration  // expect; 0: --patience
	min, max time.Duration  // wait
	times    int            // repeat
	steps    []step         // repeat
	code     ws.StatusCode  // close
}

// stepKinds parses the value after the name of a step.
var stepKinds map[string]func(p *scriptParser, s *step, value *yaml.Node) error

func init() {
	stepKinds = map[string]func(p *scriptParser, s *step, value *yaml.Node) error{
		"connect": (*scriptParser).connect,
		"send":    (*scriptParser).send,
		"expect":  (*scriptParser).expect,
		"wait":    (*scriptParser).wait,
		"repeat":  (*scriptParser).repeat,
		"close":   (*scriptParser).close,
	}
}

// scriptParser parses a script. open is whether the connection is open at the
// current step.
type scriptParser struct {
	data *table
	open bool
}

// scriptError is an error with the line and the step.
type scriptError struct {
	line int
	does string
	err  error
}

func (e *scriptError) Error() string {
	if e.does == "" {
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	}
	return fmt.Sprintf("line %d: %s: %v", e.line, e.does, e.err)
}

func (e *scriptError) Unwrap() error { return e.err }

// readScript reads --script.
func readScript(name string, data *table) ([]step, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, exit.Usagef("--script: %v", err)
	}
	if info.Size() > maxScript {
		return nil, exit.Usagef("--script %s: the file is larger than %d bytes", name, maxScript)
	}
	p, err := os.ReadFile(name)
	if err != nil {
		return nil, exit.Usagef("--script: %v", err)
	}
	steps, err := parseScript(p, data)
	if err != nil {
		return nil, exit.Usagef("--script %s: %v", name, err)
	}
	return steps, nil
}

// parseScript parses the text of a script.
func parseScript(text []byte, data *table) ([]step, error) {
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("the file is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	root := doc.Content[0]
	if err := onlyKeys(root, "steps"); err != nil {
		return nil, &scriptError{root.Line, "", err}
	}
	p := &scriptParser{data: data}
	return p.list(child(root, "steps"), root.Line, 0)
}

// onlyKeys returns an error if a mapping has other keys than these.
func onlyKeys(n *yaml.Node, keys ...string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("want a mapping with %s", strings.Join(keys, ", "))
	}
	for i := 0; i < len(n.Content); i += 2 {
		if !contains(keys, n.Content[i].Value) {
			return fmt.Errorf("unknown key %q: want %s", shorten(n.Content[i].Value), strings.Join(keys, ", "))
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// child returns the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// list parses a list of steps.
func (p *scriptParser) list(n *yaml.Node, line, depth int) (steps []step, err error) {
	if depth > deepest {
		return nil, &scriptError{line, "", fmt.Errorf("repeat is nested more than %d deep", deepest)}
	}
	if n == nil || n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, &scriptError{line, "", errors.New("want a list of steps")}
	}
	for _, item := range n.Content {
		s, err := p.step(item, depth)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// step parses one step: its name, or a mapping from its name to its arguments.
func (p *scriptParser) step(n *yaml.Node, depth int) (step, error) {
	s := step{line: n.Line}
	var value *yaml.Node
	switch {
	case n.Kind == yaml.ScalarNode:
		s.does = n.Value
	case n.Kind == yaml.MappingNode && len(n.Content) == 2:
		s.does, value = n.Content[0].Value, n.Content[1]
	case n.Kind == yaml.MappingNode && child(n, "repeat") != nil:
		s.does, value = "repeat", n
	default:
		return s, &scriptError{n.Line, "", errors.New("want a step: connect, send, expect, wait, repeat or close, such as - send: hello")}
	}
	parse, ok := stepKinds[s.does]
	if !ok {
		return s, &scriptError{n.Line, "", fmt.Errorf("unknown step %q: use connect, send, expect, wait, repeat or close", shorten(s.does))}
	}
	s.times = depth // for repeat, which overwrites it
	if err := parse(p, &s, value); err != nil {
		if _, ok := errors.AsType[*scriptError](err); ok {
			return s, err // of a step inside
		}
		return s, &scriptError{n.Line, s.does, err}
	}
	return s, nil
}

// mustBeOpen returns an error for a step that needs an open connection, if
// there is none.
func (p *scriptParser) mustBeOpen() error {
	if !p.open {
		return errors.New("the connection is not open: put connect before this step")
	}
	return nil
}

func (p *scriptParser) connect(_ *step, value *yaml.Node) error {
	if value != nil && value.Tag != "!!null" {
		return errors.New("takes no value: the URL is that of the command line")
	}
	if p.open {
		return errors.New("the connection is already open: put close before this step")
	}
	p.open = true
	return nil
}

// scalar returns the text of a value.
func scalar(value *yaml.Node) (string, error) {
	if value == nil || value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
		return "", errors.New("want a text, in quotes if it begins with { or [")
	}
	return value.Value, nil
}

func (p *scriptParser) send(s *step, value *yaml.Node) error {
	text, err := scalar(value)
	if err == nil {
		s.text, err = parseTemplate(text, p.data)
	}
	return errors.Join(err, p.mustBeOpen())
}

func (p *scriptParser) expect(s *step, value *yaml.Node) (err error) {
	if err := p.mustBeOpen(); err != nil {
		return err
	}
	if value == nil || value.Kind != yaml.MappingNode {
		text, err := scalar(value)
		if err == nil {
			s.text, err = parseTemplate(text, p.data)
		}
		return err
	}
	if err := onlyKeys(value, "text", "regexp", "within"); err != nil {
		return err
	}
	text, pattern := child(value, "text"), child(value, "regexp")
	if text != nil && pattern != nil {
		return errors.New("text and regexp: give one of them")
	}
	if within := child(value, "within"); within != nil {
		if s.within, err = positive(within); err != nil {
			return err
		}
	}
	switch {
	case text != nil:
		t, err := scalar(text)
		if err == nil {
			s.text, err = parseTemplate(t, p.data)
		}
		return err
	case pattern != nil:
		if s.regexp, err = regexp.Compile(pattern.Value); err != nil {
			return fmt.Errorf("regexp: %w", err)
		}
	}
	return nil
}

// positive parses a positive duration.
func positive(n *yaml.Node) (time.Duration, error) {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a positive duration such as 500ms or 2s", shorten(n.Value))
	}
	return d, nil
}

func (p *scriptParser) wait(s *step, value *yaml.Node) (err error) {
	switch {
	case value == nil:
		return errors.New("want a duration such as 500ms or 2s")
	case value.Kind != yaml.MappingNode:
		s.min, err = positive(value)
		s.max = s.min
		return err
	}
	if err := onlyKeys(value, "min", "max"); err != nil {
		return err
	}
	low, high := child(value, "min"), child(value, "max")
	if low == nil || high == nil {
		return errors.New("want both min and max")
	}
	if s.min, err = positive(low); err != nil {
		return err
	}
	if s.max, err = positive(high); err != nil {
		return err
	}
	if s.max < s.min {
		return fmt.Errorf("max %v is less than min %v", s.max, s.min)
	}
	return nil
}

func (p *scriptParser) repeat(s *step, value *yaml.Node) (err error) {
	depth := s.times
	if value == nil {
		return errors.New("want a number and steps")
	}
	if err := onlyKeys(value, "repeat", "steps"); err != nil {
		return err
	}
	number := child(value, "repeat")
	if s.times, err = strconv.Atoi(number.Value); err != nil || s.times < 1 || s.times > 1e9 {
		return fmt.Errorf("%q is not a number from 1 to 1000000000", shorten(number.Value))
	}
	before := p.open
	if s.steps, err = p.list(child(value, "steps"), s.line, depth+1); err != nil {
		return err
	}
	if p.open != before && s.times > 1 {
		return errors.New("the steps cannot be repeated: the connection must be in the same state, open or closed, before and after them")
	}
	return nil
}

func (p *scriptParser) close(s *step, value *yaml.Node) error {
	s.code = ws.StatusNormalClosure
	if value != nil && value.Tag != "!!null" {
		n, err := strconv.ParseUint(value.Value, 10, 16)
		if err != nil || !ws.StatusCode(n).MayBeSent() {
			return fmt.Errorf("%q is not a close code that may be sent, such as 1000 or 4000", shorten(value.Value))
		}
		s.code = ws.StatusCode(n)
	}
	if err := p.mustBeOpen(); err != nil {
		return err
	}
	p.open = false
	return nil
}
