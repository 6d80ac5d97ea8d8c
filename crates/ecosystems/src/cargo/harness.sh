# Goes through a list of programs to run or macros to use, and tells on descriptor 3 what became of each.
# Arguments: run|use LIST SECONDS TARGET [SOURCES LIBRARY]
mode=$1 list=$2 seconds=$3 target=$4 sources=$5 library=$6

entries=$(sed 's/},{/\n/g' "$list")
rm -f "$list"

bounded() {
  timeout -s KILL "$seconds" "$@" </dev/null 3>&-
}

# Whatever a program ends with, it was run.
run() {
  case $1 in
    example) program=$target/examples/$2 ;;
    *) program=$target/$2 ;;
  esac
  shift 2
  [ -x "$program" ] || { why="was not built"; return 1; }
  bounded "$program" "$@"
  case $? in
    124 | 137) why="was still running after $seconds s"; return 1 ;;
  esac
}

# A macro that refuses its input, or whose output does not compile, has run all the same.
use() {
  for file in "$target/deps/lib$library"-*.so; do built=$file; done
  [ -e "$built" ] || { why="the library was not built"; return 1; }
  said=$(bounded rustc --edition 2021 --crate-name usage --crate-type lib --emit metadata --cap-lints allow \
    --out-dir "$target/usage" --extern "$library=$built" -L "dependency=$target/deps" "$sources/$1_$2.rs" 2>&1)
  status=$?
  printf '%s\n' "$said"
  case $status in
    124 | 137) why="was still being expanded after $seconds s"; return 1 ;;
  esac
  case $said in
    *"cannot find"*" \`$2\` in this scope"* | *"unresolved import"* | *"cannot find"*" \`$2\` in \`$library\`"*)
      why="the library has no such macro"
      return 1
      ;;
  esac
}

IFS='
'
for entry in $entries; do
  index=${entry#*\"index\":} name=${entry#*\"name\":\"} token=${entry#*\"token\":\"}
  index=${index%%,*} name=${name%%\"*} token=${token%%\"*}
  printf 'start %s\n' "$index" >&3
  why=
  IFS=' '
  # Names hold no other blanks, and no patterns.
  if "$mode" $name; then
    printf 'done %s %s\n' "$index" "$token" >&3
  else
    printf 'fail %s %s %s\n' "$index" "$token" "$why" >&3
  fi
done
echo end >&3
