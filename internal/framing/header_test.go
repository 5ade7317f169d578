package framing

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The three forms of a length, at their limits, masked and not.
func TestAppend_RFC6455_5_2(t *testing.T) {
	const key = 0x3D21FA37
	for _, tt := range []struct {
		n    uint64
		want []byte
	}{
		{0, []byte{0x81, 0}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{math.MaxUint16, []byte{0x81, 126, 0xFF, 0xFF}},
		{math.MaxUint16 + 1, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{math.MaxInt64, []byte{0x81, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
	} {
		t.Run(fmt.Sprint(tt.n), func(t *testing.T) {
			require.Equal(t, tt.want, Append(nil, 0x81, tt.n))
			require.Equal(t, len(tt.want), Size(tt.n, false))
			tt.want[1] |= 0x80
			tt.want = append(tt.want, 0x37, 0xFA, 0x21, 0x3D)
			require.Equal(t, tt.want, AppendMasked(nil, 0x81, tt.n, key))
			require.Equal(t, len(tt.want), Size(tt.n, true))
		})
	}
}

func TestLead(t *testing.T) {
	require.Equal(t, byte(0x81), Lead(true, 0, 1))
	require.Equal(t, byte(0x42), Lead(false, 4, 2))
	require.Equal(t, byte(0xFF), Lead(true, 0xFF, 0xFF))
	require.Equal(t, byte(0x70), Lead(false, 0xFF, 0xF0), "no bit runs over")
}
