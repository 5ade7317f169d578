package lapse

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Errors
		one, two := errors.New("one"), errors.New("two")
		require.NoError(t, e.Get("a"))
		e.Put("a", one, time.Minute)
		e.Put("b", two, 2*time.Minute)
		e.Put("c", two, -1)
		require.Equal(t, one, e.Get("a"))
		require.NoError(t, e.Get("c"))
		time.Sleep(time.Minute)
		require.NoError(t, e.Get("a"), "after its time")
		require.Equal(t, two, e.Get("b"))
		time.Sleep(time.Minute)
		require.NoError(t, e.Get("b"))
	})
}

func TestErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Errors
		err := errors.New("no")
		for i := range 3 * most {
			e.Put(strconv.Itoa(i), err, time.Minute)
			require.LessOrEqual(t, len(e.byName), most)
			require.Equal(t, err, e.Get(strconv.Itoa(i)), "the newest is there")
		}
		time.Sleep(2 * time.Minute)
		e.Put("x", err, time.Minute)
		require.Len(t, e.byName, 1, "what is out of date goes first")
	})
}
