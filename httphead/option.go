package httphead

import (
	"iter"
	"maps"
	"slices"

	grammar "github.com/gobwas/httphead"
)

// Option is a member of a list such as Sec-WebSocket-Extensions: a name and
// parameters. Methods of Option compare names case-sensitively.
type Option = grammar.Option

// Parameters are the parameters of an [Option], in order. A name may occur more
// than once; Get returns the first. The value is nil for a parameter without a
// value, and not nil for an empty quoted string.
type Parameters = grammar.Parameters

// NewOption returns an option with the given parameters, sorted by name. An
// empty value means a parameter without a value.
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

// Options parses all fields with this name as one list of options and yields
// its members:
//
//	list   = 1#option
//	option = token *( OWS ";" OWS param )
//	param  = token [ OWS "=" OWS ( token | quoted-string ) ]
//
// This is the grammar of RFC 6455, section 9.1, with the white space of RFC
// 2616. A quoted string may have any content. Some fields require the content
// to be a token: Options does not check that. The bytes of an option are views,
// except for quoted strings with escapes. If the fields are malformed or have
// no member, the last pair is an empty Option and [ErrList]. If they exceed the
// defaults of [OptionLimits], the error is [ErrTooManyOptions] or
// [ErrTooManyParameters].
func (f Fields) Options(name string) iter.Seq2[Option, error] {
	return func(yield func(Option, error) bool) {
		var o Option
		f.scanOptions(name, &o, OptionLimits{}, func(err error) bool { return yield(o, err) })
	}
}

// OptionLimits are the limits of a list of options. In each number, 0 means the
// default and a negative value means no limit.
type OptionLimits struct {
	MaxOptions    int // of a list; default [DefaultMaxOptions]
	MaxParameters int // of each option; default [DefaultMaxParameters]

	// TokenValues refuses a value that is not a token with ErrList, even if the
	// value is quoted (RFC 6455, section 9.1).
	TokenValues bool
}

// Defaults of [OptionLimits].
const (
	DefaultMaxOptions    = 32
	DefaultMaxParameters = 32
)

// ScanOptions is [Fields.Options] with the limits lim, but stores the option in
// *o and yields only the error. This avoids copies of an Option, which is a
// large value. If o is nil, it only validates the list.
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

// ParseOptions appends the options of one field value to dst. It returns false
// if the value is malformed or exceeds the defaults of [OptionLimits]. In that
// case it appends only the options before the fault. See [Fields.Options].
func ParseOptions(value []byte, dst []Option) ([]Option, bool) {
	one := Fields{{Value: value}}
	for o, err := range one.Options("") { // the only field has no name
		if err != nil {
			return dst, false
		}
		dst = append(dst, o)
	}
	return dst, true
}

// scanOption sets *o, which is zero, to the option at the start of p, and
// returns the bytes after it. o may be nil.
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

// scanParameter returns the parameter at the start of p and the bytes after it.
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
