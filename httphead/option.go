package httphead

import (
	"iter"
	"maps"
	"slices"

	grammar "github.com/gobwas/httphead"
)

// Option is a member of a list such as Sec-WebSocket-Extensions: a name and
// parameters. Its own methods compare names with regard to case.
type Option = grammar.Option

// Parameters are the parameters of an [Option] in their order; a name may stand
// in it more than once, and Get finds the first. The value of a parameter that
// was written without one is nil, that of an empty quoted string is not.
type Parameters = grammar.Parameters

// NewOption returns an option with the given parameters in the order of their
// names. An empty value stands for a parameter without one.
func NewOption(name string, params map[string]string) Option {
	o := Option{Name: []byte(name)}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		var value []byte
		if v := params[key]; v != "" {
			value = []byte(v)
		}
		o.Parameters.Set([]byte(key), value)
	}
	return o
}

// Options yields the members of the list of options that all fields of that name
// are together:
//
//	list   = 1#option
//	option = token *( OWS ";" OWS param )
//	param  = token [ OWS "=" OWS ( token | quoted-string ) ]
//
// This is the grammar of RFC 6455, section 9.1, with the white space that it
// takes from RFC 2616. A quoted string may say anything here; that its content
// has to be a token is the rule of single fields. An option's bytes are views,
// but for quoted strings with escapes. If the fields are malformed, or hold no
// member at all, the last pair is an empty Option and [ErrList]; if they exceed
// the defaults of [OptionLimits], [ErrTooManyOptions] or [ErrTooManyParameters].
func (f Fields) Options(name string) iter.Seq2[Option, error] {
	return func(yield func(Option, error) bool) {
		var o Option
		f.scanOptions(name, &o, OptionLimits{}, func(err error) bool { return yield(o, err) })
	}
}

// OptionLimits bounds a list of options. In each number zero stands for the
// default and a negative value for no limit.
type OptionLimits struct {
	MaxOptions    int // in the list; [DefaultMaxOptions]
	MaxParameters int // of each option; [DefaultMaxParameters]

	// TokenValues makes a value that is not a token [ErrList], even if it is
	// quoted, as RFC 6455, section 9.1 requires.
	TokenValues bool
}

// What the zero value of [OptionLimits] stands for.
const (
	DefaultMaxOptions    = 32
	DefaultMaxParameters = 32
)

// ScanOptions sets *o to each option in turn that [Fields.Options] yields, within
// lim, and yields only the errors: an Option is a large value to pass on. If o is
// nil, the list is validated and not stored.
func (f Fields) ScanOptions(name string, o *Option, lim OptionLimits) iter.Seq[error] {
	return func(yield func(error) bool) { f.scanOptions(name, o, lim, yield) }
}

func (f Fields) scanOptions(name string, o *Option, lim OptionLimits, yield func(error) bool) {
	room := limit(lim.MaxOptions, DefaultMaxOptions)
	eachMember(f, name, func(p []byte) (rest []byte, err error) {
		if o != nil {
			*o = Option{}
		}
		if room--; room < 0 {
			return p, ErrTooManyOptions
		}
		return scanOption(p, o, lim)
	}, func(err error) bool {
		if err != nil && o != nil {
			*o = Option{}
		}
		return yield(err)
	})
}

// ParseOptions appends the options of one field value to dst and reports whether
// it is well formed and within the defaults of [OptionLimits]; if it is not, those in
// front of the fault are appended. See [Fields.Options].
func ParseOptions(value []byte, dst []Option) ([]Option, bool) {
	one := Fields{{Value: value}}
	for o, err := range one.Options("") { // no name: that of the one field
		if err != nil {
			return dst, false
		}
		dst = append(dst, o)
	}
	return dst, true
}

// scanOption sets *o, which is zero or nil, to the option at the start of p, and
// returns what follows it.
func scanOption(p []byte, o *Option, lim OptionLimits) (rest []byte, err error) {
	name, p, ok := scanToken(p)
	if !ok {
		return p, ErrList
	}
	if o != nil {
		o.Name = name
	}
	room := limit(lim.MaxParameters, DefaultMaxParameters)
	for p = skipOWS(p); len(p) > 0 && p[0] == ';'; p = skipOWS(p) {
		var value []byte
		if name, value, p, ok = scanParameter(skipOWS(p[1:])); !ok || lim.TokenValues && value != nil && !IsToken(value) {
			return p, ErrList
		}
		if room--; room < 0 {
			return p, ErrTooManyParameters
		}
		if o != nil {
			o.Parameters.Set(name, value)
		}
	}
	return p, nil
}

// scanParameter returns the parameter at the start of p and what is behind it.
func scanParameter(p []byte) (name, value, rest []byte, ok bool) {
	if name, p, ok = scanToken(p); !ok {
		return nil, nil, p, false
	}
	rest = skipOWS(p)
	if len(rest) == 0 || rest[0] != '=' {
		return name, nil, rest, true
	}
	if rest = skipOWS(rest[1:]); len(rest) > 0 && rest[0] == '"' {
		value, rest, ok = scanString(rest)
	} else {
		value, rest, ok = scanToken(rest)
	}
	return name, value, rest, ok
}
