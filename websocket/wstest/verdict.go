package wstest

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is the outcome of a case.
type Verdict uint8

// The verdicts, from the best to the worst.
const (
	Skipped   Verdict = iota // could not run with this peer
	Strict                   // follows the RFC
	Tolerated                // deviates from the RFC, but allowed or harmless
	Failed                   // violates the RFC
)

var verdictNames = [...]string{"skipped", "strict", "tolerated", "failed"}

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown"
}

// MarshalText returns String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (v *Verdict) UnmarshalText(p []byte) error {
	for i, name := range verdictNames {
		if name == string(p) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("wstest: unknown verdict %q", p)
}

// Result is the result of a case.
type Result struct {
	Case
	Verdict   Verdict       `json:"verdict"`
	Detail    string        `json:"detail,omitempty"`    // why it is not strict
	CloseCode uint16        `json:"closeCode,omitempty"` // of the peer's close frame; 0 if there was no frame or no code
	Duration  time.Duration `json:"ns"`
	Wire      []Entry       `json:"wire,omitempty"`
}

// finding is an error with a verdict.
type finding struct {
	verdict Verdict
	detail  string
}

func (f *finding) Error() string { return f.detail }

func failed(format string, args ...any) error {
	return &finding{Failed, fmt.Sprintf(format, args...)}
}

func tolerated(format string, args ...any) error {
	return &finding{Tolerated, fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) error {
	return &finding{Skipped, fmt.Sprintf(format, args...)}
}

// judge converts the error of a script to a verdict and a detail.
func judge(err error) (Verdict, string) {
	if err == nil {
		return Strict, ""
	}
	var f *finding
	if errors.As(err, &f) {
		return f.verdict, f.detail
	}
	return Failed, err.Error()
}

// worst returns the worse of two outcomes, or the first if they are equal.
func worst(a, b error) error {
	va, _ := judge(a)
	vb, _ := judge(b)
	if vb > va {
		return b
	}
	return a
}
