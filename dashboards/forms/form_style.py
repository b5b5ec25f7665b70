"""How the pages outside Streamlit look: forms in one column, light and dark; its hash is in their policy (CSP)."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2125; --ground: #fcfcfb; --line: #c9cdc7; --act: #23705d; --on: #fff;
  --grave: #a8371f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9eb; --ground: #14171a; --line: #4a525a; --act: #35a58a; --on: #08110e;
    --grave: #ef8a70; }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 28rem; margin: min(8vh, 5rem) auto; padding: 0 1.25rem 3rem; overflow-wrap: anywhere; }
main.wide { max-width: 56rem; }
main.wide h1, main.wide .narrow { max-width: 28rem; }
.rows { list-style: none; padding: 0; }
.rows li { display: flex; gap: 1rem; justify-content: space-between; align-items: flex-start; padding: .7rem 0;
  border-top: 1px solid var(--line); }
.rows form { flex-shrink: 0; }
.rows button { margin: 0; padding: .25rem .7rem; white-space: nowrap; }
dt { font-weight: 550; margin-top: .6rem; }
dd { margin: 0; font-size: .92rem; }
.mark { font-weight: 650; color: var(--act); margin: 0; }
.logo { display: block; max-height: 2.5rem; max-width: 100%; margin: 0 0 .5rem; }
h1 { font-size: 1.5rem; margin: .1rem 0 1.2rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
label { display: block; margin: .9rem 0 .25rem; font-weight: 550; }
label.check { display: flex; gap: .6rem; font-weight: 400; align-items: flex-start; }
label.check input { margin-top: .3rem; }
input:not([type=checkbox]):not([type=hidden]), select, textarea { width: 100%; box-sizing: border-box; font: inherit;
  padding: .5rem .6rem; border: 1px solid var(--line); border-radius: 6px; background: transparent; color: inherit; }
small { display: block; margin-top: .2rem; color: color-mix(in srgb, var(--ink) 80%, transparent); }
button { font: inherit; font-weight: 600; margin: 1.2rem .5rem 0 0; padding: .5rem 1.1rem; border-radius: 6px;
  border: 1px solid var(--act); background: var(--act); color: var(--on); cursor: pointer; }
button.calm { background: transparent; color: inherit; border-color: var(--line); }
button.grave { background: var(--grave); border-color: var(--grave); }
form.row { display: inline; }
form > details { margin-top: .9rem; }
form > details > summary { cursor: pointer; font-weight: 550; }
:focus-visible { outline: 2px solid var(--act); outline-offset: 2px; }
a { color: var(--act); }
.note { border-left: 3px solid var(--act); padding: .4rem .8rem; background: #2a9d8f1f; }
.note.wrong { border-color: #d97757; background: #d9775722; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
td, th { text-align: left; padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; overflow-wrap: normal; }
td button { margin: 0; padding: .15rem .6rem; white-space: nowrap; }
.scroll { overflow-x: auto; overflow-wrap: break-word; }
ul.entries { list-style: none; padding: 0; margin: .4rem 0; }
ul.entries li { border-top: 1px solid var(--line); padding: .5rem 0; }
ul.promises { list-style: none; padding: 0; }
ul.promises li { border-top: 1px solid var(--line); padding: .5rem 0; }
main.wide td { padding-right: 1.2rem; overflow-wrap: break-word; }
@media (max-width: 40rem) {
  main.wide th { display: none; }
  main.wide tr, main.wide td { display: block; }
  main.wide tr { border-top: 1px solid var(--line); padding: .4rem 0; }
  main.wide td { border: 0; padding: .1rem 0; }
  main.wide td:first-child { font-weight: 550; }
  main.wide td[data-is]::before { content: attr(data-is); opacity: .75; }
}
pre { white-space: pre-wrap; padding: .7rem .9rem; background: #80808020; border-radius: 6px; }
ul.members { list-style: none; padding: 0; margin: 0; }
ul.members li { border-top: 1px solid var(--line); }
ul.members summary { padding: .5rem 0; cursor: pointer; }
ul.members .what { opacity: .8; }
ul.members details[open] { padding-bottom: 1rem; }
"""
