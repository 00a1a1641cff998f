// The setting of one side of an experiment: the field that a preset varies, or all fields.

import { type Field, FIELDS, has, readSetting, type Setting, settingOf, writeSetting } from "../experiments/setting";
import { type Control, number, select } from "./controls";
import { h } from "./dom";

/** Makes the form. `show` shows one field alone, or without one all that the kind has. */
export function settingForm(title: string, changed: (setting: Setting) => void): { root: HTMLElement; show(setting: Setting, only?: Field): void } {
  let shown: Setting;
  const take = (field: Field) => (value: number | string): void => {
    const some: Partial<Setting> = field === "kind" ? {} : { ...shown };
    if (field === "optimizer") delete some.rate; // each has a rate of its own
    const setting = settingOf({ ...some, [field]: value });
    changed(readSetting(writeSetting(setting)) ?? shown); // an empty field, 0, or one out of range is as by default
  };
  const controls = FIELDS.map(([field, label, values]) => {
    const [min, max] = values;
    return (typeof min === "number"
      ? number(label, { min, max: max as number, step: field === "rate" ? "any" : 1 }, take(field))
      : select(label, values.map((each) => [String(each), String(each)]), take(field))) as Control<never>;
  });
  return {
    root: h("fieldset", { class: "side" }, h("legend", {}, title), h("div", { class: "row" }, ...controls.map(({ root }) => root))),
    show(setting, only) {
      shown = setting;
      FIELDS.forEach(([field], at) => {
        controls[at]!.root.hidden = only ? field !== only : !has(setting.kind, field);
        controls[at]!.show(setting[field] as never);
      });
    },
  };
}
